-- Objects of the landing zone that fit no pipeline, in the version that was told of.

CREATE TABLE strays (
    address TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    size INTEGER NOT NULL,
    near TEXT NOT NULL,
    why TEXT NOT NULL
) STRICT, WITHOUT ROWID;
