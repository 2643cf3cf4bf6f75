-- The ledger's first schema. Instants are microseconds since 1970-01-01 UTC; JSON holds what nobody asks for by part.
-- Words like standings are checked by the code that reads and writes them: a CHECK would double the cost of a row.

CREATE TABLE slots (
    id INTEGER PRIMARY KEY,
    pipeline TEXT NOT NULL,
    address TEXT NOT NULL,
    -- The run that holds the slot: one at most.
    holder TEXT REFERENCES runs (id),
    UNIQUE (pipeline, address)
) STRICT;

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
    -- When it may be claimed: its lease ends, or its retry is due. NULL when it is final.
    due INTEGER,
    fingerprint TEXT NOT NULL,
    staged_attempt INTEGER NOT NULL,
    error TEXT,
    finished_at INTEGER,
    -- Slots (by id) and numbers of the generations that it was begun with.
    members TEXT NOT NULL,
    staged TEXT NOT NULL,
    results TEXT NOT NULL
) STRICT;

CREATE INDEX runs_due ON runs (due) WHERE due IS NOT NULL;
CREATE INDEX runs_of_pipeline ON runs (pipeline, number);
CREATE INDEX runs_of_parent ON runs (parent) WHERE parent IS NOT NULL;

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

-- Events that were committed together, in order: a row for each would cost every file as much as its own row.
CREATE TABLE events (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL,
    block TEXT NOT NULL
) STRICT;

-- What was answered to calls that may be asked again after a lost answer.
CREATE TABLE answers (
    call TEXT PRIMARY KEY,
    answer BLOB NOT NULL
) STRICT;
