-- Deployments by request and after the merge, and who may run beside whom.
ALTER TABLE deploy_runs ADD COLUMN cause TEXT NOT NULL DEFAULT 'review';
ALTER TABLE deploy_runs ADD COLUMN requested_by TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deploy_runs ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE deploy_runs ADD COLUMN request_key TEXT NOT NULL DEFAULT '';
ALTER TABLE deploy_runs ADD COLUMN covers TEXT NOT NULL DEFAULT 'landed';
ALTER TABLE deploy_runs ADD COLUMN armed_as INTEGER NOT NULL DEFAULT -1;
ALTER TABLE deploy_runs ADD COLUMN concurrency TEXT NOT NULL DEFAULT 'environment';
-- Its place in the queue, and since when it holds its turn.
ALTER TABLE deploy_runs ADD COLUMN queued_at TEXT;
ALTER TABLE deploy_runs ADD COLUMN claimed_at TEXT;
UPDATE deploy_runs SET requested_by = armed_by, queued_at = created_at;
UPDATE deploy_runs SET claimed_at = created_at WHERE state IN ('created', 'running');

CREATE INDEX deploy_runs_turn ON deploy_runs (environment, state);
CREATE INDEX deploy_runs_commit ON deploy_runs (commit_id);
CREATE INDEX deploy_runs_state ON deploy_runs (state);
CREATE INDEX tasks_landed ON tasks (landed_commit) WHERE landed_commit <> '';

-- Which commits forges reported as the merge of a task's pull request. A hint for
-- finding the approval; whether it covers the commit is asked of the forge each time.
CREATE TABLE merges (
    repository_key TEXT NOT NULL,
    commit_id      TEXT NOT NULL,
    task           TEXT NOT NULL REFERENCES tasks (id),
    PRIMARY KEY (repository_key, commit_id, task)
) STRICT;
CREATE INDEX merges_commit ON merges (commit_id);

-- What the environment would have armed with an approval, and why it did not.
ALTER TABLE approvals ADD COLUMN not_armed TEXT NOT NULL DEFAULT '[]';
CREATE TRIGGER approvals_not_armed_fixed BEFORE UPDATE ON approvals WHEN NEW.not_armed <> OLD.not_armed
BEGIN SELECT RAISE(ABORT, 'an approval cannot be changed, only made void once'); END;

-- Runs whose record is no longer kept. Their ids stay known, so that the same
-- request is not followed twice.
CREATE TABLE deploy_runs_removed (
    id   TEXT PRIMARY KEY,
    task TEXT NOT NULL REFERENCES tasks (id)
) STRICT;
