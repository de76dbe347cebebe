-- Secrets, sealed. Which key sealed one is its public half.
CREATE TABLE secrets (
    environment TEXT NOT NULL,
    context     TEXT NOT NULL CHECK (context IN ('task', 'deploy', 'gateway')),
    name        TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    sealed_with TEXT NOT NULL,
    version     INTEGER NOT NULL, -- counts how often it was set
    set_at      TEXT NOT NULL,
    set_by      TEXT NOT NULL,
    PRIMARY KEY (environment, context, name)
) STRICT;
