-- Emergency stops. Rows stay: for how long what was paused stood still is read from them.
CREATE TABLE freezes (
    id        TEXT PRIMARY KEY,
    resource  TEXT NOT NULL, -- 'server' or 'environment/NAME'
    reason    TEXT NOT NULL,
    frozen_by TEXT NOT NULL,
    login     TEXT NOT NULL, -- display text
    frozen_at TEXT NOT NULL,
    thawed_at TEXT
) STRICT;
CREATE UNIQUE INDEX freezes_in_force ON freezes (resource) WHERE thawed_at IS NULL;
