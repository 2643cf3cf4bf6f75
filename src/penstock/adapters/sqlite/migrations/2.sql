-- Messages to people, and how far readers of the events have come.

CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    facts TEXT NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    -- When it may be claimed; NULL when it is final.
    due INTEGER,
    error TEXT
) STRICT;

CREATE INDEX messages_due ON messages (due, number) WHERE due IS NOT NULL;

CREATE TABLE cursors (
    name TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
