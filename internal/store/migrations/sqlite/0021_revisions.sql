-- The revision that a task is making or made last.
ALTER TABLE tasks ADD COLUMN revision INTEGER NOT NULL DEFAULT 1 CHECK (revision > 0);

-- A proposal that was never put up for review, because its publication was refused:
-- the one before it stands.
ALTER TABLE proposals ADD COLUMN dropped_at TEXT;

-- Rounds of a task after its first proposal.
CREATE TABLE revisions (
    task       TEXT NOT NULL REFERENCES tasks (id),
    number     INTEGER NOT NULL CHECK (number > 0),
    kind       TEXT NOT NULL,
    state      TEXT NOT NULL,
    after      INTEGER NOT NULL,
    outcome    TEXT NOT NULL,
    started_at TEXT NOT NULL,
    ended_at   TEXT,
    PRIMARY KEY (task, number)
) STRICT;

-- What people asked of a proposal. revision 0: no revision took it up yet.
CREATE TABLE feedback (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    task       TEXT NOT NULL REFERENCES tasks (id),
    key        TEXT NOT NULL,
    content    TEXT NOT NULL,
    revision   INTEGER NOT NULL DEFAULT 0,
    at         TEXT NOT NULL,
    UNIQUE (task, key)
) STRICT;
CREATE INDEX feedback_pending ON feedback (task) WHERE revision = 0;
