-- Times are UTC text of fixed width with microseconds, so that they compare as
-- text. JSON is text: nothing inside it is searched by SQL.

CREATE TABLE deliveries (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    host        TEXT NOT NULL,
    event       TEXT NOT NULL,
    headers     TEXT NOT NULL,
    events      TEXT NOT NULL,
    received_at TEXT NOT NULL,
    outcome     TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX deliveries_unhandled ON deliveries (received_at) WHERE outcome = '';

CREATE TABLE tasks (
    number           INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    trigger_key      TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL,
    epoch            INTEGER NOT NULL CHECK (epoch >= 0),
    environment      TEXT NOT NULL,
    repository_key   TEXT NOT NULL,
    repository       TEXT NOT NULL,
    issue            INTEGER NOT NULL,
    pull_request     INTEGER NOT NULL,
    base_branch      TEXT NOT NULL,
    base_commit      TEXT NOT NULL,
    requester        TEXT NOT NULL,
    trigger_url      TEXT NOT NULL,
    snapshot         TEXT NOT NULL,
    policy_version   TEXT NOT NULL,
    failure          TEXT NOT NULL,
    run              TEXT NOT NULL,
    approval_id      TEXT NOT NULL,
    landed_commit    TEXT NOT NULL,
    pull_request_url TEXT NOT NULL,
    cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    judged           TEXT NOT NULL,
    reported         TEXT NOT NULL,
    lease_owner      TEXT NOT NULL DEFAULT '',
    lease_until      TEXT,
    created_at       TEXT NOT NULL,
    updated_at       TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_state ON tasks (state);
CREATE INDEX tasks_unreported ON tasks (number) WHERE reported <> state;
CREATE INDEX tasks_issue ON tasks (repository_key, issue);
CREATE INDEX tasks_pull_request ON tasks (repository_key, pull_request) WHERE pull_request <> 0;
CREATE INDEX tasks_lease ON tasks (lease_owner) WHERE lease_owner <> '';

-- content is JSON in which every text that git or an agent chose is base64, so
-- that it comes back byte for byte and the digest still holds.
CREATE TABLE proposals (
    task       TEXT NOT NULL REFERENCES tasks (id),
    revision   INTEGER NOT NULL CHECK (revision > 0),
    digest     TEXT NOT NULL,
    content    TEXT NOT NULL,
    diff       BLOB NOT NULL,
    carrier    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (task, revision)
) STRICT;

CREATE TABLE approvals (
    id           TEXT NOT NULL PRIMARY KEY,
    task         TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    digest       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    repository   TEXT NOT NULL,
    pull_request INTEGER NOT NULL,
    review_id    TEXT NOT NULL,
    review_url   TEXT NOT NULL,
    approver     TEXT NOT NULL,
    requester    TEXT NOT NULL,
    message      TEXT NOT NULL,
    armed        TEXT NOT NULL,
    decision     TEXT NOT NULL,
    approved_at  TEXT NOT NULL,
    void_at      TEXT,
    FOREIGN KEY (task, revision) REFERENCES proposals (task, revision)
) STRICT;
CREATE UNIQUE INDEX approvals_in_force ON approvals (task, revision) WHERE void_at IS NULL;

CREATE TRIGGER approvals_fixed BEFORE UPDATE ON approvals
WHEN OLD.void_at IS NOT NULL OR NEW.void_at IS NULL OR NEW.id <> OLD.id OR NEW.task <> OLD.task
    OR NEW.revision <> OLD.revision OR NEW.digest <> OLD.digest OR NEW.environment <> OLD.environment
    OR NEW.repository <> OLD.repository OR NEW.pull_request <> OLD.pull_request
    OR NEW.review_id <> OLD.review_id OR NEW.review_url <> OLD.review_url OR NEW.approver <> OLD.approver
    OR NEW.requester <> OLD.requester OR NEW.message <> OLD.message OR NEW.armed <> OLD.armed
    OR NEW.decision <> OLD.decision OR NEW.approved_at <> OLD.approved_at
BEGIN SELECT RAISE(ABORT, 'an approval cannot be changed, only made void once'); END;
CREATE TRIGGER approvals_kept BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'an approval cannot be deleted'); END;

CREATE TABLE deploy_runs (
    number          INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT NOT NULL UNIQUE,
    task            TEXT NOT NULL REFERENCES tasks (id),
    approval_id     TEXT NOT NULL REFERENCES approvals (id),
    environment     TEXT NOT NULL,
    profile         TEXT NOT NULL,
    profile_version TEXT NOT NULL,
    script          TEXT NOT NULL,
    parameters      TEXT NOT NULL,
    repository      TEXT NOT NULL,
    commit_id       TEXT NOT NULL,
    armed_by        TEXT NOT NULL,
    state           TEXT NOT NULL,
    container       TEXT NOT NULL,
    exit_code       INTEGER NOT NULL,
    detail          TEXT NOT NULL,
    forge_id        TEXT NOT NULL,
    shown           TEXT NOT NULL,
    created_at      TEXT NOT NULL,
    started_at      TEXT,
    finished_at     TEXT
) STRICT;
CREATE INDEX deploy_runs_task ON deploy_runs (task);

CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at          TEXT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    task        TEXT NOT NULL,
    environment TEXT NOT NULL,
    detail      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_task ON audit (task, seq);

-- Also refuses INSERT OR REPLACE, which deletes without a trigger.
CREATE TRIGGER audit_append BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: the next number is the highest plus one'); END;
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no UPDATE'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: no DELETE'); END;

CREATE TABLE manifests (
    seq        INTEGER PRIMARY KEY,
    version    TEXT NOT NULL,
    content    BLOB NOT NULL,
    applied_at TEXT NOT NULL,
    applied_by TEXT NOT NULL
) STRICT;
CREATE INDEX manifests_version ON manifests (version);
CREATE TRIGGER manifests_append BEFORE INSERT ON manifests
WHEN NEW.seq IS NOT (SELECT COALESCE(MAX(seq), 0) + 1 FROM manifests)
BEGIN SELECT RAISE(ABORT, 'manifests are insert-only: the next number is the highest plus one'); END;
CREATE TRIGGER manifests_no_update BEFORE UPDATE ON manifests
BEGIN SELECT RAISE(ABORT, 'manifests are insert-only: no UPDATE'); END;
CREATE TRIGGER manifests_no_delete BEFORE DELETE ON manifests
BEGIN SELECT RAISE(ABORT, 'manifests are insert-only: no DELETE'); END;

CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    at   TEXT
) STRICT;

CREATE TABLE log_streams (
    stream TEXT NOT NULL PRIMARY KEY,
    size   INTEGER NOT NULL CHECK (size >= 0)
) STRICT;

CREATE TABLE log_chunks (
    stream     TEXT NOT NULL REFERENCES log_streams (stream),
    first_byte INTEGER NOT NULL CHECK (first_byte >= 0),
    data       BLOB NOT NULL,
    PRIMARY KEY (stream, first_byte)
) STRICT;

CREATE TABLE heartbeats (
    name TEXT NOT NULL PRIMARY KEY,
    at   TEXT NOT NULL
) STRICT;
