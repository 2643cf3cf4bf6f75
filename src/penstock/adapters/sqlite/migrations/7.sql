-- Columns that have become others, as they were told: each once.

CREATE TABLE drifts (
    pipeline TEXT NOT NULL,
    name TEXT NOT NULL,
    drift TEXT NOT NULL,
    PRIMARY KEY (pipeline, name, drift)
) STRICT, WITHOUT ROWID;
