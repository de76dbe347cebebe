-- The Merkle tree over the audit log, in the order of RFC 6962's storage as
-- golang.org/x/mod/sumdb/tlog has it, and what was signed of it.
CREATE TABLE audit_hashes (
    position INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TABLE audit_checkpoints (
    size INTEGER PRIMARY KEY,
    note BLOB NOT NULL,
    at   TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_hashes_append BEFORE INSERT ON audit_hashes
WHEN NEW.position IS NOT (SELECT COALESCE(MAX(position), -1) + 1 FROM audit_hashes)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: the next position is the highest plus one'); END;
CREATE TRIGGER audit_hashes_no_update BEFORE UPDATE ON audit_hashes
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no UPDATE'); END;
CREATE TRIGGER audit_hashes_no_delete BEFORE DELETE ON audit_hashes
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no DELETE'); END;
CREATE TRIGGER audit_checkpoints_append BEFORE INSERT ON audit_checkpoints
WHEN NEW.size <= (SELECT COALESCE(MAX(size), -1) FROM audit_checkpoints)
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: the log only grows'); END;
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no UPDATE'); END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only: no DELETE'); END;
