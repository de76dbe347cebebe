-- Every review of an approval by several people. Those that were made when one was
-- enough have none but review_id.
ALTER TABLE approvals ADD COLUMN reviews TEXT NOT NULL DEFAULT '[]';
