-- Checks and judges: one look at one revision of a proposal each.
CREATE TABLE examinations (
    number         INTEGER PRIMARY KEY AUTOINCREMENT,
    id             TEXT NOT NULL UNIQUE,
    task           TEXT NOT NULL REFERENCES tasks (id),
    revision       INTEGER NOT NULL CHECK (revision > 0),
    digest         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    environment    TEXT NOT NULL,
    attempt        INTEGER NOT NULL CHECK (attempt > 0),
    definition     TEXT NOT NULL,
    state          TEXT NOT NULL,
    summary        TEXT NOT NULL,
    result         TEXT NOT NULL, -- JSON, or empty
    container      TEXT NOT NULL,
    image          TEXT NOT NULL,
    agent          TEXT NOT NULL,
    model          TEXT NOT NULL,
    node           TEXT NOT NULL,
    exit_code      INTEGER NOT NULL,
    reason         TEXT NOT NULL,
    truncated      INTEGER NOT NULL CHECK (truncated IN (0, 1)),
    requested_by   TEXT NOT NULL,
    policy_version TEXT NOT NULL,
    created_at     TEXT NOT NULL,
    started_at     TEXT,
    finished_at    TEXT,
    UNIQUE (task, revision, kind, name, attempt)
) STRICT;
CREATE INDEX examinations_open ON examinations (task) WHERE state IN ('queued', 'running');
