-- Generations with several inputs, and the marks of what is there of a key's members.

ALTER TABLE generations ADD COLUMN vector TEXT;

CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    address TEXT NOT NULL,
    parts TEXT NOT NULL,
    since INTEGER NOT NULL,
    -- Whether it was reported that the key is late.
    overdue INTEGER NOT NULL,
    UNIQUE (pipeline, address)
) STRICT;

CREATE TABLE marks (
    key INTEGER NOT NULL REFERENCES keys (id),
    name TEXT NOT NULL,
    -- The pipeline whose table it is; empty for an object.
    pipeline TEXT NOT NULL,
    address TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (key, name, pipeline, address)
) STRICT, WITHOUT ROWID;
