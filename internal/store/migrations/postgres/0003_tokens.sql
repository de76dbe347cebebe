-- API tokens. Of the token itself only its SHA-256 is kept.
CREATE TABLE tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    hash         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    owner        TEXT NOT NULL, -- host:id
    scope        TEXT NOT NULL, -- JSON
    created_at   TIMESTAMPTZ NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ,
    revoked_at   TIMESTAMPTZ,
    revoked_by   TEXT NOT NULL DEFAULT '',
    refused_at   TIMESTAMPTZ -- first use after its end
);
