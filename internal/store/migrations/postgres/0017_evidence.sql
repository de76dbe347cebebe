-- The log held against the forges: the last look at each repository, and what did
-- not fit then. A view for people and metrics; the log has what was found when.
CREATE TABLE evidence_looks (
    repository_key TEXT PRIMARY KEY,
    at             TIMESTAMPTZ NOT NULL,
    look           TEXT NOT NULL,
    after_task     TEXT NOT NULL
);
CREATE TABLE evidence_differences (
    repository_key TEXT NOT NULL,
    kind           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    scope          TEXT NOT NULL,
    difference     TEXT NOT NULL,
    found_at       TIMESTAMPTZ NOT NULL,
    seen_at        TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (repository_key, kind, subject)
);
