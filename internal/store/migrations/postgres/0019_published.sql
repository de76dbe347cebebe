-- The branches at the forge that checkpoints were published to: where each was, and what
-- it had. One that is gone, or that was set back, is found after a restart too.
CREATE TABLE audit_published (
    repository_key TEXT NOT NULL,
    branch         TEXT NOT NULL,
    size           BIGINT NOT NULL,
    head           TEXT NOT NULL,
    note           BYTEA NOT NULL,
    at             TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (repository_key, branch, size)
);
CREATE TRIGGER audit_published_fixed BEFORE UPDATE OR DELETE ON audit_published FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_published_kept BEFORE TRUNCATE ON audit_published FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
