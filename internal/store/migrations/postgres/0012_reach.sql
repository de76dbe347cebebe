-- Secrets that are decoys, and where one appeared.
ALTER TABLE secrets ADD COLUMN canary BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE canary_trips (
    task        TEXT NOT NULL,
    deployment  TEXT NOT NULL, -- empty: the task's own container
    environment TEXT NOT NULL,
    canary      TEXT NOT NULL,
    place       TEXT NOT NULL CHECK (place IN ('output', 'request', 'change')),
    spot        TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (task, deployment, canary, place)
);

-- Deployments may reach hosts too; empty: the task's own container.
ALTER TABLE model_requests ADD COLUMN deployment TEXT NOT NULL DEFAULT '';
ALTER TABLE deploy_runs ADD COLUMN reach TEXT NOT NULL DEFAULT '{}';
