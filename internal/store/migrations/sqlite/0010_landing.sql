-- Where an approval lands: empty is the proposal's own branch. Or nowhere: its commit is kept.
ALTER TABLE approvals ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN new_target INTEGER NOT NULL DEFAULT 0 CHECK (new_target IN (0, 1));
ALTER TABLE approvals ADD COLUMN no_push INTEGER NOT NULL DEFAULT 0 CHECK (no_push IN (0, 1));

CREATE TRIGGER approvals_landing_fixed BEFORE UPDATE ON approvals
WHEN NEW.target <> OLD.target OR NEW.new_target <> OLD.new_target OR NEW.no_push <> OLD.no_push
BEGIN SELECT RAISE(ABORT, 'an approval cannot be changed, only made void once'); END;
