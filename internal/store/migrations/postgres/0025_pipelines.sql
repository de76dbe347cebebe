-- Deployments may run a pipeline of another service: what it was asked for, and what
-- became of it; and the order to cancel it, which is given once. Both JSON.
ALTER TABLE deploy_runs ADD COLUMN pipeline TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deploy_runs ADD COLUMN stopped TEXT NOT NULL DEFAULT '{}';
