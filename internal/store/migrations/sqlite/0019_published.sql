-- The branches at the forge that checkpoints were published to: where each was, and what
-- it had. One that is gone, or that was set back, is found after a restart too.
CREATE TABLE audit_published (
    repository_key TEXT NOT NULL,
    branch         TEXT NOT NULL,
    size           INTEGER NOT NULL,
    head           TEXT NOT NULL,
    note           BLOB NOT NULL,
    at             TEXT NOT NULL,
    PRIMARY KEY (repository_key, branch, size)
) STRICT;
CREATE TRIGGER audit_published_no_update BEFORE UPDATE ON audit_published
BEGIN SELECT RAISE(ABORT, 'what was published is append-only: no UPDATE'); END;
CREATE TRIGGER audit_published_no_delete BEFORE DELETE ON audit_published
BEGIN SELECT RAISE(ABORT, 'what was published is append-only: no DELETE'); END;
