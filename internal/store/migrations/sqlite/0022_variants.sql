-- The agent that was asked for, and the tasks of one request that several agents work on:
-- its place among them, and the task that was approved or started in its place.
ALTER TABLE tasks ADD COLUMN group_id TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN variant TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN places INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN replaced_by TEXT NOT NULL DEFAULT '';

CREATE INDEX tasks_group ON tasks (group_id) WHERE group_id <> '';
