-- Where an approval lands: empty is the proposal's own branch. Or nowhere: its commit is kept.
ALTER TABLE approvals ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN new_target BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE approvals ADD COLUMN no_push BOOLEAN NOT NULL DEFAULT FALSE;
