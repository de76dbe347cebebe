-- The processes that share this database, each by the id of its data directory. drained_at
-- is set while one is to take no tasks, lost_at while others take it for dead.
CREATE TABLE nodes (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    labels     TEXT NOT NULL DEFAULT '[]',
    slots      INTEGER NOT NULL,
    version    TEXT NOT NULL,
    serves     INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    seen_at    TEXT NOT NULL,
    drained_at TEXT,
    lost_at    TEXT
) STRICT;
