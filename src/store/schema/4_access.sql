-- Roles, permissions, tags and bookmarks. What permissions and tags hang on may lie in one of many
-- tables, so no column can refer to it; when it goes, they are deleted with it.

CREATE TABLE roles (
    id             TEXT NOT NULL PRIMARY KEY,
    name           TEXT NOT NULL,
    description    TEXT NOT NULL,
    administrative INTEGER NOT NULL CHECK (administrative IN (0, 1)),
    sees_below     INTEGER NOT NULL CHECK (sees_below IN (0, 1)),
    permits        TEXT NOT NULL CHECK (json_valid(permits))
) STRICT;

CREATE TABLE permissions (
    id     TEXT NOT NULL PRIMARY KEY,
    role   TEXT NOT NULL,
    holder TEXT NOT NULL,
    kind   TEXT NOT NULL,
    object TEXT NOT NULL
) STRICT;

CREATE TABLE tags (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    parent      TEXT NOT NULL
) STRICT;

CREATE TABLE tagged (
    tag    TEXT NOT NULL REFERENCES tags ON DELETE CASCADE,
    kind   TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (tag, kind, object)
) STRICT;

CREATE TABLE bookmarks (
    id    TEXT NOT NULL PRIMARY KEY,
    name  TEXT NOT NULL,
    value TEXT NOT NULL
) STRICT;
