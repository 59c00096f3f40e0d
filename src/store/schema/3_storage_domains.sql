-- A storage domain may be attached to no data center, or be in maintenance.
CREATE TABLE storage_domains_2 (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    kind        TEXT NOT NULL,
    folder      TEXT NOT NULL,
    data_center TEXT REFERENCES data_centers DEFERRABLE INITIALLY DEFERRED,
    active      INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT;
INSERT INTO storage_domains_2
    SELECT id, name, description, kind, folder, data_center, 1 FROM storage_domains;
DROP TABLE storage_domains;
ALTER TABLE storage_domains_2 RENAME TO storage_domains;
