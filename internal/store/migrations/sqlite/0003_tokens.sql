-- API tokens. Of the token itself only its SHA-256 is kept.
CREATE TABLE tokens (
    id           TEXT NOT NULL PRIMARY KEY,
    hash         TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    owner        TEXT NOT NULL, -- host:id
    scope        TEXT NOT NULL, -- JSON
    created_at   TEXT NOT NULL,
    created_by   TEXT NOT NULL,
    expires_at   TEXT NOT NULL,
    last_used_at TEXT,
    revoked_at   TEXT,
    revoked_by   TEXT NOT NULL DEFAULT '',
    refused_at   TEXT -- first use after its end
) STRICT;
