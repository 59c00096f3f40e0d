-- Disks that are units of SCSI targets have no image, and lie in no storage domain.
CREATE TABLE new_disks (
    id                TEXT NOT NULL PRIMARY KEY,
    alias             TEXT NOT NULL,
    description       TEXT NOT NULL,
    storage_domain    TEXT REFERENCES storage_domains DEFERRABLE INITIALLY DEFERRED,
    image             TEXT NOT NULL,
    parent            TEXT,
    format            TEXT NOT NULL,
    sparse            INTEGER NOT NULL CHECK (sparse IN (0, 1)),
    size              INTEGER NOT NULL,
    interface         TEXT NOT NULL,
    bootable          INTEGER NOT NULL CHECK (bootable IN (0, 1)),
    shareable         INTEGER NOT NULL CHECK (shareable IN (0, 1)),
    wipe_after_delete INTEGER NOT NULL CHECK (wipe_after_delete IN (0, 1)),
    propagate_errors  INTEGER NOT NULL CHECK (propagate_errors IN (0, 1)),
    profile           TEXT REFERENCES disk_profiles DEFERRABLE INITIALLY DEFERRED,
    status            TEXT NOT NULL,
    created           TEXT NOT NULL,
    lun               TEXT CHECK (json_valid(lun))
) STRICT;
INSERT INTO new_disks
    SELECT id, alias, description, storage_domain, image, parent, format, sparse, size, interface, bootable,
           shareable, wipe_after_delete, propagate_errors, profile, status, created, NULL
    FROM disks;
DROP TABLE disks;
ALTER TABLE new_disks RENAME TO disks;
