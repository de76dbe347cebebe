-- What lists of tasks show and search, beside the snapshot, which is large.
-- title_search is the beginning of the title in lower case.
ALTER TABLE tasks ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN title_search TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN requester_key TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN requester_login TEXT NOT NULL DEFAULT '';
-- JSON may hold an escaped NUL, which text cannot: such a title stays empty.
UPDATE tasks SET title = COALESCE(snapshot::json ->> 'title', '')
WHERE snapshot LIKE '{"title":"%' AND position('\u0000' in snapshot) = 0;
UPDATE tasks SET title_search = left(lower(title), 100);
UPDATE tasks SET requester_key = COALESCE(requester::json ->> 'subject', ''), requester_login = lower(COALESCE(requester::json ->> 'login', ''))
WHERE requester LIKE '{"subject":%' AND position('\u0000' in requester) = 0;
CREATE INDEX tasks_environment ON tasks (environment, number);
CREATE INDEX tasks_requester ON tasks (requester_key, number);
