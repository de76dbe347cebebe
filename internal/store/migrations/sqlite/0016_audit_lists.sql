-- Lists of the audit log by what they are filtered by, each in the log's order.
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_action ON audit (action, seq);

-- The public keys that checkpoints of this log are signed with, whichever server
-- signs: the newest is in force, the former ones verify what they signed.
CREATE TABLE audit_keys (
    number INTEGER PRIMARY KEY,
    public TEXT NOT NULL UNIQUE,
    at     TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_keys_append BEFORE INSERT ON audit_keys
WHEN NEW.number IS NOT (SELECT COALESCE(MAX(number), 0) + 1 FROM audit_keys) OR EXISTS (SELECT 1 FROM audit_keys WHERE public = NEW.public)
BEGIN SELECT RAISE(ABORT, 'keys of the audit log are append-only: the next number is the highest plus one'); END;
CREATE TRIGGER audit_keys_no_update BEFORE UPDATE ON audit_keys
BEGIN SELECT RAISE(ABORT, 'keys of the audit log are append-only: no UPDATE'); END;
CREATE TRIGGER audit_keys_no_delete BEFORE DELETE ON audit_keys
BEGIN SELECT RAISE(ABORT, 'keys of the audit log are append-only: no DELETE'); END;
