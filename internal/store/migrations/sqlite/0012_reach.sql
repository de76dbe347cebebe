-- Secrets that are decoys, and where one appeared.
ALTER TABLE secrets ADD COLUMN canary INTEGER NOT NULL DEFAULT 0;

CREATE TABLE canary_trips (
    task        TEXT NOT NULL,
    deployment  TEXT NOT NULL, -- empty: the task's own container
    environment TEXT NOT NULL,
    canary      TEXT NOT NULL,
    place       TEXT NOT NULL CHECK (place IN ('output', 'request', 'change')),
    spot        TEXT NOT NULL,
    at          TEXT NOT NULL,
    PRIMARY KEY (task, deployment, canary, place)
) STRICT;

-- Deployments may reach hosts too; empty: the task's own container.
ALTER TABLE model_requests ADD COLUMN deployment TEXT NOT NULL DEFAULT '';
ALTER TABLE deploy_runs ADD COLUMN reach TEXT NOT NULL DEFAULT '{}';

-- People's tokens for git, sealed. One that is being refreshed is claimed: a refresh
-- token is good once.
CREATE TABLE people_tokens (
    subject       TEXT NOT NULL PRIMARY KEY,
    login         TEXT NOT NULL, -- display text
    sealed        BLOB NOT NULL,
    sealed_with   TEXT NOT NULL,
    version       INTEGER NOT NULL, -- counts how often it changed
    kept_at       TEXT NOT NULL,
    expires_at    TEXT,
    refresh_until TEXT,
    claimed_until TEXT
) STRICT;
