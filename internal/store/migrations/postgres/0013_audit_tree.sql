-- The Merkle tree over the audit log, in the order of RFC 6962's storage as
-- golang.org/x/mod/sumdb/tlog has it, and what was signed of it.
CREATE TABLE audit_hashes (
    position BIGINT PRIMARY KEY,
    hash     BYTEA NOT NULL CHECK (length(hash) = 32)
);
CREATE TABLE audit_checkpoints (
    size BIGINT PRIMARY KEY,
    note BYTEA NOT NULL,
    at   TIMESTAMPTZ NOT NULL
);
CREATE TRIGGER audit_hashes_fixed BEFORE UPDATE OR DELETE ON audit_hashes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_hashes_kept BEFORE TRUNCATE ON audit_hashes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_checkpoints_fixed BEFORE UPDATE OR DELETE ON audit_checkpoints FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_checkpoints_kept BEFORE TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
