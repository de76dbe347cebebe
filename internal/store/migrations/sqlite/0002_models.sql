-- One row for each request to a model. Budgets are sums over them.
CREATE TABLE model_requests (
    id                 TEXT NOT NULL PRIMARY KEY,
    task               TEXT NOT NULL,
    environment        TEXT NOT NULL,
    day                TEXT NOT NULL, -- YYYY-MM-DD, UTC
    at                 TEXT NOT NULL,
    provider           TEXT NOT NULL,
    model              TEXT NOT NULL,
    method             TEXT NOT NULL,
    path               TEXT NOT NULL,
    status             INTEGER NOT NULL,
    refused            TEXT NOT NULL,
    input_tokens       INTEGER NOT NULL,
    output_tokens      INTEGER NOT NULL,
    cache_read_tokens  INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    cost               INTEGER NOT NULL, -- millionths of a US dollar
    unpriced           INTEGER NOT NULL,
    estimated          INTEGER NOT NULL,
    redactions         INTEGER NOT NULL,
    first_byte         INTEGER NOT NULL, -- microseconds
    took               INTEGER NOT NULL, -- microseconds
    sent               INTEGER NOT NULL,
    received           INTEGER NOT NULL
) STRICT;
CREATE INDEX model_requests_task ON model_requests (task);
CREATE INDEX model_requests_day ON model_requests (environment, day);

-- Set when the output was removed after its retention; the size stays.
ALTER TABLE log_streams ADD COLUMN removed_at TEXT;
