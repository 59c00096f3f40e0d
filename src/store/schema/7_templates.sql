-- Templates; their disks are rows like all others.
CREATE TABLE templates (
    id           TEXT NOT NULL PRIMARY KEY,
    cluster      TEXT REFERENCES clusters DEFERRABLE INITIALLY DEFERRED,
    created      TEXT NOT NULL,
    spec         TEXT NOT NULL CHECK (json_valid(spec)),
    status       TEXT NOT NULL,
    base         TEXT NOT NULL,
    version      INTEGER NOT NULL,
    version_name TEXT NOT NULL,
    nics         TEXT NOT NULL CHECK (json_valid(nics)),
    disks        TEXT NOT NULL CHECK (json_valid(disks))
) STRICT;
