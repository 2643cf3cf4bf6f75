-- Rows that a destination refuses: of a run, those that are left out; of a loaded generation, those that wait. Lines, and
-- parked ones, as JSON.

ALTER TABLE runs ADD COLUMN refused TEXT NOT NULL DEFAULT '[]';
ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;

CREATE TABLE waiting (
    slot INTEGER NOT NULL REFERENCES slots (id),
    number INTEGER NOT NULL,
    since INTEGER NOT NULL,
    aside TEXT NOT NULL,
    PRIMARY KEY (slot, number)
) STRICT, WITHOUT ROWID;
