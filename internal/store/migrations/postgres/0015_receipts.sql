-- Receipts as they were issued. basis is what decides what a receipt says: the
-- entries of the audit log that it carries, and the key that signed it.
CREATE TABLE receipts (
    digest    TEXT PRIMARY KEY,
    approval  TEXT NOT NULL REFERENCES approvals (id),
    basis     TEXT NOT NULL,
    envelope  BYTEA NOT NULL,
    issued_at TIMESTAMPTZ NOT NULL,
    UNIQUE (approval, basis)
);
CREATE TRIGGER receipts_fixed BEFORE UPDATE OR DELETE ON receipts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER receipts_kept BEFORE TRUNCATE ON receipts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
