-- Sizes of VMs, rules on which of them share a host, groups of users, their keys, and comments.

ALTER TABLE data_centers ADD COLUMN comment TEXT NOT NULL DEFAULT '';
ALTER TABLE clusters ADD COLUMN comment TEXT NOT NULL DEFAULT '';

CREATE TABLE instance_types (
    id   TEXT NOT NULL PRIMARY KEY,
    spec TEXT NOT NULL CHECK (json_valid(spec)),
    nics TEXT NOT NULL CHECK (json_valid(nics))
) STRICT;

CREATE TABLE affinity_groups (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    cluster     TEXT NOT NULL REFERENCES clusters DEFERRABLE INITIALLY DEFERRED,
    positive    INTEGER NOT NULL CHECK (positive IN (0, 1)),
    enforcing   INTEGER NOT NULL CHECK (enforcing IN (0, 1))
) STRICT;

CREATE TABLE affine (
    affinity_group TEXT NOT NULL REFERENCES affinity_groups ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    vm             TEXT NOT NULL REFERENCES vms ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (affinity_group, vm)
) STRICT;

CREATE TABLE user_groups (
    id   TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE members (
    user      TEXT NOT NULL REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    member_of TEXT NOT NULL REFERENCES user_groups ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (user, member_of)
) STRICT;

CREATE TABLE ssh_keys (
    id      TEXT NOT NULL PRIMARY KEY,
    user    TEXT NOT NULL REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    content TEXT NOT NULL
) STRICT;
