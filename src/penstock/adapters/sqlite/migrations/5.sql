-- Schedules and what they set off. `moment` of a firing: when it may be claimed; NULL when it is final.

ALTER TABLE generations ADD COLUMN run_time INTEGER;

CREATE TABLE timetables (
    pipeline TEXT PRIMARY KEY,
    schedule TEXT NOT NULL,
    since INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    missed INTEGER NOT NULL
) STRICT;

CREATE TABLE firings (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    due INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    cause TEXT NOT NULL,
    reload INTEGER NOT NULL,
    hard INTEGER,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    worker TEXT NOT NULL,
    moment INTEGER,
    accepted TEXT NOT NULL,
    error TEXT,
    finished_at INTEGER
) STRICT;

CREATE INDEX firings_open ON firings (number) WHERE moment IS NOT NULL;
CREATE INDEX firings_of_pipeline ON firings (pipeline, number);

-- What was last fetched from each source.
CREATE TABLE pulled (
    pipeline TEXT NOT NULL,
    source TEXT NOT NULL,
    origin TEXT NOT NULL,
    address TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    version TEXT NOT NULL,
    fetched_at INTEGER NOT NULL,
    validators TEXT NOT NULL,
    PRIMARY KEY (pipeline, source)
) STRICT, WITHOUT ROWID;
