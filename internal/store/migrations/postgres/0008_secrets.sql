-- Secrets, sealed. Which key sealed one is its public half.
CREATE TABLE secrets (
    environment TEXT NOT NULL,
    context     TEXT NOT NULL CHECK (context IN ('task', 'deploy', 'gateway')),
    name        TEXT NOT NULL,
    sealed      BYTEA NOT NULL,
    sealed_with TEXT NOT NULL,
    version     BIGINT NOT NULL, -- counts how often it was set
    set_at      TIMESTAMPTZ NOT NULL,
    set_by      TEXT NOT NULL,
    PRIMARY KEY (environment, context, name)
);
