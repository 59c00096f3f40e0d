-- How much may be taken in a data center, and how fast its disks may be.
ALTER TABLE data_centers ADD COLUMN quota_mode TEXT NOT NULL DEFAULT 'disabled';

CREATE TABLE qoss (
    id          TEXT NOT NULL PRIMARY KEY,
    data_center TEXT NOT NULL REFERENCES data_centers DEFERRABLE INITIALLY DEFERRED,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    tune        TEXT NOT NULL CHECK (json_valid(tune))
) STRICT;

CREATE TABLE quotas (
    id           TEXT NOT NULL PRIMARY KEY,
    data_center  TEXT NOT NULL REFERENCES data_centers DEFERRABLE INITIALLY DEFERRED,
    name         TEXT NOT NULL,
    description  TEXT NOT NULL,
    cluster_soft INTEGER NOT NULL,
    cluster_hard INTEGER NOT NULL,
    storage_soft INTEGER NOT NULL,
    storage_hard INTEGER NOT NULL,
    storage      TEXT NOT NULL CHECK (json_valid(storage)),
    clusters     TEXT NOT NULL CHECK (json_valid(clusters))
) STRICT;

ALTER TABLE disk_profiles ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE disk_profiles ADD COLUMN qos TEXT REFERENCES qoss DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE disks ADD COLUMN quota TEXT REFERENCES quotas DEFERRABLE INITIALLY DEFERRED;
