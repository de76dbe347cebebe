-- Receipts as they were issued. basis is what decides what a receipt says: the
-- entries of the audit log that it carries, and the key that signed it.
CREATE TABLE receipts (
    digest    TEXT PRIMARY KEY,
    approval  TEXT NOT NULL REFERENCES approvals (id),
    basis     TEXT NOT NULL,
    envelope  BLOB NOT NULL,
    issued_at TEXT NOT NULL,
    UNIQUE (approval, basis)
) STRICT;
CREATE TRIGGER receipts_no_update BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'a receipt that was issued cannot be changed'); END;
CREATE TRIGGER receipts_no_delete BEFORE DELETE ON receipts
BEGIN SELECT RAISE(ABORT, 'a receipt that was issued cannot be removed'); END;
