-- One row for each request to a model. Budgets are sums over them.
CREATE TABLE model_requests (
    id                 TEXT NOT NULL PRIMARY KEY,
    task               TEXT NOT NULL,
    environment        TEXT NOT NULL,
    day                TEXT NOT NULL, -- YYYY-MM-DD, UTC
    at                 TIMESTAMPTZ NOT NULL,
    provider           TEXT NOT NULL,
    model              TEXT NOT NULL,
    method             TEXT NOT NULL,
    path               TEXT NOT NULL,
    status             BIGINT NOT NULL,
    refused            TEXT NOT NULL,
    input_tokens       BIGINT NOT NULL,
    output_tokens      BIGINT NOT NULL,
    cache_read_tokens  BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    cost               BIGINT NOT NULL, -- millionths of a US dollar
    unpriced           BIGINT NOT NULL,
    estimated          BIGINT NOT NULL,
    redactions         BIGINT NOT NULL,
    first_byte         BIGINT NOT NULL, -- microseconds
    took               BIGINT NOT NULL, -- microseconds
    sent               BIGINT NOT NULL,
    received           BIGINT NOT NULL
);
CREATE INDEX model_requests_task ON model_requests (task);
CREATE INDEX model_requests_day ON model_requests (environment, day);

-- Set when the output was removed after its retention; the size stays.
ALTER TABLE log_streams ADD COLUMN removed_at TIMESTAMPTZ;
