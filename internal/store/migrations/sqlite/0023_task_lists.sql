-- What lists of tasks show and search, beside the snapshot, which is large.
-- title_search is the beginning of the title in lower case (of tasks from before:
-- only its ASCII letters). The index has all that a list is filtered by, in the
-- list's order, so that a search does not read the tasks themselves.
ALTER TABLE tasks ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN title_search TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN requester_key TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN requester_login TEXT NOT NULL DEFAULT '';
UPDATE tasks SET title = COALESCE(json_extract(snapshot, '$.title'), '') WHERE json_valid(snapshot);
UPDATE tasks SET title_search = substr(lower(title), 1, 100);
UPDATE tasks SET
    requester_key = COALESCE(json_extract(requester, '$.subject'), ''),
    requester_login = lower(COALESCE(json_extract(requester, '$.login'), ''))
WHERE json_valid(requester);
CREATE INDEX tasks_list ON tasks (number, environment, state, repository_key, requester_key, requester_login, issue, pull_request, id, title_search);
