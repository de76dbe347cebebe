-- Sign-ins that have begun and not ended. A row is deleted when it is used.
CREATE TABLE sign_ins (
    id         TEXT NOT NULL PRIMARY KEY, -- SHA-256 of the handle or state, which is not kept
    kind       TEXT NOT NULL CHECK (kind IN ('device', 'browser')),
    provider   TEXT NOT NULL,
    address    TEXT NOT NULL, -- that it was begun from
    browser    TEXT NOT NULL DEFAULT '', -- SHA-256 of the cookie that came with the state
    secret     TEXT NOT NULL, -- device code, or PKCE verifier
    nonce      TEXT NOT NULL DEFAULT '',
    next       TEXT NOT NULL DEFAULT '',
    every      BIGINT NOT NULL DEFAULT 0, -- microseconds between two questions
    ask_at     TIMESTAMPTZ, -- when the provider may be asked next
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sign_ins_by_address ON sign_ins (address, expires_at);
CREATE INDEX sign_ins_by_age ON sign_ins (created_at);
