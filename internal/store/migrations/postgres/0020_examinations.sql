-- Checks and judges: one look at one revision of a proposal each.
CREATE TABLE examinations (
    number         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    task           TEXT NOT NULL REFERENCES tasks (id),
    revision       BIGINT NOT NULL CHECK (revision > 0),
    digest         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    environment    TEXT NOT NULL,
    attempt        BIGINT NOT NULL CHECK (attempt > 0),
    definition     TEXT NOT NULL,
    state          TEXT NOT NULL,
    summary        TEXT NOT NULL,
    result         TEXT NOT NULL, -- JSON, or empty
    container      TEXT NOT NULL,
    image          TEXT NOT NULL,
    agent          TEXT NOT NULL,
    model          TEXT NOT NULL,
    node           TEXT NOT NULL,
    exit_code      BIGINT NOT NULL,
    reason         TEXT NOT NULL,
    truncated      BOOLEAN NOT NULL,
    requested_by   TEXT NOT NULL,
    policy_version TEXT NOT NULL,
    created_at     TIMESTAMPTZ NOT NULL,
    started_at     TIMESTAMPTZ,
    finished_at    TIMESTAMPTZ,
    UNIQUE (task, revision, kind, name, attempt)
);
CREATE INDEX examinations_open ON examinations (task) WHERE state IN ('queued', 'running');
