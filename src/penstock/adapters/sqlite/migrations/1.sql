-- The ledger's first schema. Instants are microseconds since 1970-01-01 UTC; JSON holds what nobody asks for by part.
-- Words like standings are checked by the code that reads and writes them: a CHECK would double the cost of a row.

CREATE TABLE slots (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    address TEXT NOT NULL,
    UNIQUE (pipeline, address)
) STRICT;

-- A run's small, busy part: a renewed lease rewrites only this.
CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    parent TEXT REFERENCES runs (id),
    created_at INTEGER NOT NULL,
    run_time INTEGER,
    stage TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    first_attempt INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    worker TEXT NOT NULL,
    due INTEGER,
    fingerprint TEXT NOT NULL,
    staged_attempt INTEGER NOT NULL,
    error TEXT,
    finished_at INTEGER
) STRICT;

CREATE INDEX runs_due ON runs (due) WHERE due IS NOT NULL;
CREATE INDEX runs_of_pipeline ON runs (pipeline, number);
CREATE INDEX runs_of_parent ON runs (parent) WHERE parent IS NOT NULL;

-- A run's bulk: which generations it was begun with, what it staged, what it found out.
CREATE TABLE work (
    run INTEGER PRIMARY KEY REFERENCES runs (number),
    members TEXT NOT NULL,
    staged TEXT NOT NULL DEFAULT '[]',
    results TEXT NOT NULL DEFAULT '[]'
) STRICT;

CREATE TABLE generations (
    id INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL REFERENCES slots (id),
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    sha256 TEXT,
    size INTEGER,
    version TEXT,
    parts TEXT NOT NULL,
    cause TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    hard INTEGER,
    lines TEXT,
    fixes TEXT NOT NULL,
    heals INTEGER NOT NULL,
    standing TEXT NOT NULL,
    run TEXT REFERENCES runs (id),
    -- The pipeline in whose queue it stands, ready to be claimed.
    queue TEXT CHECK (queue IS NULL OR (standing = 'accepted' AND run IS NULL)),
    UNIQUE (slot, number)
) STRICT;

CREATE INDEX generations_ready ON generations (queue, id) WHERE queue IS NOT NULL;
CREATE INDEX generations_blocked ON generations (slot)
WHERE standing = 'accepted' AND run IS NULL AND queue IS NULL;

-- Which run holds a slot: one at most.
CREATE TABLE holds (
    slot INTEGER PRIMARY KEY REFERENCES slots (id),
    run TEXT NOT NULL REFERENCES runs (id)
) STRICT;

CREATE INDEX holds_of_run ON holds (run);

CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    time INTEGER NOT NULL,
    data TEXT NOT NULL
) STRICT;

-- What was answered to calls that may be asked again after a lost answer.
CREATE TABLE answers (
    call TEXT PRIMARY KEY,
    answer BLOB NOT NULL
) STRICT;
