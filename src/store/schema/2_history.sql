-- What happened, and who did it. Nothing refers to it and it refers to nothing: history outlives
-- what it tells of.

CREATE TABLE events (
    id          INTEGER NOT NULL PRIMARY KEY,
    code        INTEGER NOT NULL,
    severity    TEXT NOT NULL,
    time        TEXT NOT NULL,
    text        TEXT NOT NULL,
    correlation TEXT,
    user        TEXT CHECK (json_valid(user)),
    about       TEXT NOT NULL CHECK (json_valid(about)),
    origin      TEXT NOT NULL,
    custom_id   INTEGER,
    flood_rate  INTEGER,
    custom_data TEXT,
    deleted     INTEGER NOT NULL CHECK (deleted IN (0, 1))
) STRICT;

CREATE TABLE jobs (
    id           TEXT NOT NULL PRIMARY KEY,
    description  TEXT NOT NULL,
    status       TEXT NOT NULL,
    owner        TEXT CHECK (json_valid(owner)),
    started      TEXT NOT NULL,
    ended        TEXT,
    updated      TEXT NOT NULL,
    external     INTEGER NOT NULL CHECK (external IN (0, 1)),
    auto_cleared INTEGER NOT NULL CHECK (auto_cleared IN (0, 1)),
    correlation  TEXT,
    about        TEXT NOT NULL CHECK (json_valid(about)),
    steps        TEXT NOT NULL CHECK (json_valid(steps))
) STRICT;
