-- A disk is a chain of images: this is the one below the disk's own.
ALTER TABLE disks ADD COLUMN parent TEXT;

-- The disks' images as they were are part of what was saved.
CREATE TABLE snapshots (
    id          TEXT NOT NULL PRIMARY KEY,
    vm          TEXT NOT NULL REFERENCES vms ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    description TEXT NOT NULL,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL,
    date        TEXT NOT NULL,
    spec        TEXT NOT NULL CHECK (json_valid(spec)),
    machine     TEXT,
    nics        TEXT NOT NULL CHECK (json_valid(nics)),
    disks       TEXT NOT NULL CHECK (json_valid(disks)),
    memory      TEXT
) STRICT;
CREATE INDEX snapshots_of_vm ON snapshots (vm);
