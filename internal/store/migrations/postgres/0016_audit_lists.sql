-- Lists of the audit log by what they are filtered by, each in the log's order.
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_action ON audit (action, seq);

-- The public keys that checkpoints of this log are signed with, whichever server
-- signs: the newest is in force, the former ones verify what they signed.
CREATE TABLE audit_keys (
    number BIGINT PRIMARY KEY,
    public TEXT NOT NULL UNIQUE,
    at     TIMESTAMPTZ NOT NULL
);
CREATE TRIGGER audit_keys_fixed BEFORE UPDATE OR DELETE ON audit_keys FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_keys_kept BEFORE TRUNCATE ON audit_keys FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
