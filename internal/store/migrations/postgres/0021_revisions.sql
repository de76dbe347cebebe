-- The revision that a task is making or made last.
ALTER TABLE tasks ADD COLUMN revision BIGINT NOT NULL DEFAULT 1 CHECK (revision > 0);

-- A proposal that was never put up for review, because its publication was refused:
-- the one before it stands.
ALTER TABLE proposals ADD COLUMN dropped_at TIMESTAMPTZ;

-- Rounds of a task after its first proposal.
CREATE TABLE revisions (
    task       TEXT NOT NULL REFERENCES tasks (id),
    number     BIGINT NOT NULL CHECK (number > 0),
    kind       TEXT NOT NULL,
    state      TEXT NOT NULL,
    after      BIGINT NOT NULL,
    outcome    TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    ended_at   TIMESTAMPTZ,
    PRIMARY KEY (task, number)
);

-- What people asked of a proposal. revision 0: no revision took it up yet.
CREATE TABLE feedback (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task       TEXT NOT NULL REFERENCES tasks (id),
    key        TEXT NOT NULL,
    content    TEXT NOT NULL,
    revision   BIGINT NOT NULL DEFAULT 0,
    at         TIMESTAMPTZ NOT NULL,
    UNIQUE (task, key)
);
CREATE INDEX feedback_pending ON feedback (task) WHERE revision = 0;
