-- Every review of an approval by several people. Those that were made when one was
-- enough have none but review_id.
ALTER TABLE approvals ADD COLUMN reviews TEXT NOT NULL DEFAULT '[]';

CREATE TRIGGER approvals_reviews_fixed BEFORE UPDATE ON approvals WHEN NEW.reviews <> OLD.reviews
BEGIN SELECT RAISE(ABORT, 'an approval cannot be changed, only made void once'); END;
