-- One table per noun. Ids are text, flags are 0 or 1, times are RFC 3339.
-- What is a configuration or a plan is one JSON document, because the same document is also a
-- VM's next-run configuration and what an operation restores.

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE data_centers (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL
) STRICT;

CREATE TABLE clusters (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    data_center TEXT NOT NULL REFERENCES data_centers DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE hosts (
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    cluster TEXT NOT NULL REFERENCES clusters DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE storage_domains (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    kind        TEXT NOT NULL,
    folder      TEXT NOT NULL,
    data_center TEXT NOT NULL REFERENCES data_centers DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE networks (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    data_center TEXT NOT NULL REFERENCES data_centers DEFERRABLE INITIALLY DEFERRED,
    binding     TEXT NOT NULL
) STRICT;

CREATE TABLE vnic_profiles (
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    network TEXT NOT NULL REFERENCES networks DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE disk_profiles (
    id             TEXT NOT NULL PRIMARY KEY,
    name           TEXT NOT NULL,
    storage_domain TEXT NOT NULL REFERENCES storage_domains DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE cpu_profiles (
    id      TEXT NOT NULL PRIMARY KEY,
    name    TEXT NOT NULL,
    cluster TEXT NOT NULL REFERENCES clusters DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE TABLE users (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL,
    profile  TEXT NOT NULL,
    password TEXT NOT NULL
) STRICT;

CREATE TABLE vms (
    id       TEXT NOT NULL PRIMARY KEY,
    name     TEXT NOT NULL GENERATED ALWAYS AS (spec ->> 'name'),
    cluster  TEXT NOT NULL REFERENCES clusters DEFERRABLE INITIALLY DEFERRED,
    template TEXT NOT NULL,
    created  TEXT NOT NULL,
    spec     TEXT NOT NULL CHECK (json_valid(spec)),
    next_run TEXT CHECK (json_valid(next_run)),
    run_once INTEGER NOT NULL CHECK (run_once IN (0, 1)),
    started  TEXT,
    stopped  TEXT,
    machine  TEXT
) STRICT;

CREATE TABLE disks (
    id                TEXT NOT NULL PRIMARY KEY,
    alias             TEXT NOT NULL,
    description       TEXT NOT NULL,
    storage_domain    TEXT NOT NULL REFERENCES storage_domains DEFERRABLE INITIALLY DEFERRED,
    image             TEXT NOT NULL,
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
    created           TEXT NOT NULL
) STRICT;

CREATE TABLE attachments (
    vm        TEXT NOT NULL REFERENCES vms ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    disk      TEXT NOT NULL REFERENCES disks ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    active    INTEGER NOT NULL CHECK (active IN (0, 1)),
    read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
    target    TEXT NOT NULL,
    PRIMARY KEY (vm, disk)
) STRICT;
CREATE INDEX attachments_of_disk ON attachments (disk);

CREATE TABLE nics (
    id             TEXT NOT NULL PRIMARY KEY,
    vm             TEXT NOT NULL REFERENCES vms ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    name           TEXT NOT NULL,
    network        TEXT REFERENCES networks DEFERRABLE INITIALLY DEFERRED,
    profile        TEXT REFERENCES vnic_profiles DEFERRABLE INITIALLY DEFERRED,
    interface      TEXT NOT NULL,
    mac            TEXT NOT NULL,
    plugged        INTEGER NOT NULL CHECK (plugged IN (0, 1)),
    linked         INTEGER NOT NULL CHECK (linked IN (0, 1)),
    port_mirroring TEXT NOT NULL CHECK (json_valid(port_mirroring)),
    boot_protocol  TEXT,
    on_boot        INTEGER CHECK (on_boot IN (0, 1)),
    UNIQUE (vm, name)
) STRICT;

-- What operations under way set out to do; refers to nothing, as it outlives what it removes.
CREATE TABLE intents (
    id        TEXT NOT NULL PRIMARY KEY,
    begun     TEXT NOT NULL,
    undoing   INTEGER NOT NULL CHECK (undoing IN (0, 1)),
    operation TEXT NOT NULL CHECK (json_valid(operation))
) STRICT;
