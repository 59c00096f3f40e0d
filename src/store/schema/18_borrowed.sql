-- Frozen images of other VMs' disks.
CREATE TABLE borrowed (
    vm       TEXT NOT NULL REFERENCES vms ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    disk     TEXT NOT NULL REFERENCES disks ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    snapshot TEXT NOT NULL,
    image    TEXT NOT NULL,
    active   INTEGER NOT NULL CHECK (active IN (0, 1)),
    target   TEXT NOT NULL,
    PRIMARY KEY (vm, disk)
) STRICT;
CREATE INDEX borrowed_of_disk ON borrowed (disk);
