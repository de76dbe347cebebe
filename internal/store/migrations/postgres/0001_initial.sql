-- JSON is text, not jsonb: nothing inside it is searched by SQL, and jsonb cannot
-- hold the escape \u0000.

CREATE TABLE deliveries (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    host        TEXT NOT NULL,
    event       TEXT NOT NULL,
    headers     TEXT NOT NULL,
    events      TEXT NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    outcome     TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_unhandled ON deliveries (received_at) WHERE outcome = '';

CREATE TABLE tasks (
    number           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id               TEXT NOT NULL UNIQUE,
    trigger_key      TEXT NOT NULL UNIQUE,
    state            TEXT NOT NULL,
    epoch            BIGINT NOT NULL CHECK (epoch >= 0),
    environment      TEXT NOT NULL,
    repository_key   TEXT NOT NULL,
    repository       TEXT NOT NULL,
    issue            BIGINT NOT NULL,
    pull_request     BIGINT NOT NULL,
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
    cancel_requested BOOLEAN NOT NULL,
    judged           TEXT NOT NULL,
    reported         TEXT NOT NULL,
    lease_owner      TEXT NOT NULL DEFAULT '',
    lease_until      TIMESTAMPTZ,
    created_at       TIMESTAMPTZ NOT NULL,
    updated_at       TIMESTAMPTZ NOT NULL
);
CREATE INDEX tasks_state ON tasks (state);
CREATE INDEX tasks_unreported ON tasks (number) WHERE reported <> state;
CREATE INDEX tasks_issue ON tasks (repository_key, issue);
CREATE INDEX tasks_pull_request ON tasks (repository_key, pull_request) WHERE pull_request <> 0;
CREATE INDEX tasks_lease ON tasks (lease_owner) WHERE lease_owner <> '';

-- content is JSON in which every text that git or an agent chose is base64, so
-- that it comes back byte for byte and the digest still holds.
CREATE TABLE proposals (
    task       TEXT NOT NULL REFERENCES tasks (id),
    revision   BIGINT NOT NULL CHECK (revision > 0),
    digest     TEXT NOT NULL,
    content    TEXT NOT NULL,
    diff       BYTEA NOT NULL,
    carrier    TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (task, revision)
);

CREATE TABLE approvals (
    id           TEXT NOT NULL PRIMARY KEY,
    task         TEXT NOT NULL,
    revision     BIGINT NOT NULL,
    digest       TEXT NOT NULL,
    environment  TEXT NOT NULL,
    repository   TEXT NOT NULL,
    pull_request BIGINT NOT NULL,
    review_id    TEXT NOT NULL,
    review_url   TEXT NOT NULL,
    approver     TEXT NOT NULL,
    requester    TEXT NOT NULL,
    message      TEXT NOT NULL,
    armed        TEXT NOT NULL,
    decision     TEXT NOT NULL,
    approved_at  TIMESTAMPTZ NOT NULL,
    void_at      TIMESTAMPTZ,
    FOREIGN KEY (task, revision) REFERENCES proposals (task, revision)
);
CREATE UNIQUE INDEX approvals_in_force ON approvals (task, revision) WHERE void_at IS NULL;

CREATE TABLE deploy_runs (
    number          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    exit_code       BIGINT NOT NULL,
    detail          TEXT NOT NULL,
    forge_id        TEXT NOT NULL,
    shown           TEXT NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    started_at      TIMESTAMPTZ,
    finished_at     TIMESTAMPTZ
);
CREATE INDEX deploy_runs_task ON deploy_runs (task);

CREATE TABLE audit (
    seq         BIGINT PRIMARY KEY,
    at          TIMESTAMPTZ NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    task        TEXT NOT NULL,
    environment TEXT NOT NULL,
    detail      TEXT NOT NULL
);
CREATE INDEX audit_task ON audit (task, seq);

CREATE TABLE manifests (
    seq        BIGINT PRIMARY KEY,
    version    TEXT NOT NULL,
    content    BYTEA NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL,
    applied_by TEXT NOT NULL
);
CREATE INDEX manifests_version ON manifests (version);

CREATE TABLE cursors (
    name TEXT NOT NULL PRIMARY KEY,
    at   TIMESTAMPTZ
);

CREATE TABLE log_streams (
    stream TEXT NOT NULL PRIMARY KEY,
    size   BIGINT NOT NULL CHECK (size >= 0)
);

CREATE TABLE log_chunks (
    stream     TEXT NOT NULL REFERENCES log_streams (stream),
    first_byte BIGINT NOT NULL CHECK (first_byte >= 0),
    data       BYTEA NOT NULL,
    PRIMARY KEY (stream, first_byte)
);

CREATE TABLE heartbeats (
    name TEXT NOT NULL PRIMARY KEY,
    at   TIMESTAMPTZ NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: no %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION next_seq() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE expected BIGINT;
BEGIN
    EXECUTE format('SELECT COALESCE(MAX(seq), 0) + 1 FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO expected;
    IF NEW.seq IS DISTINCT FROM expected THEN
        RAISE EXCEPTION '% is append-only: the next number is %, not %', TG_TABLE_NAME, expected, NEW.seq
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION approval_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.void_at IS NOT NULL OR NEW.void_at IS NULL
        OR (to_jsonb(NEW) - 'void_at') <> (to_jsonb(OLD) - 'void_at') THEN
        RAISE EXCEPTION 'an approval cannot be changed, only made void once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER audit_append BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION next_seq();
CREATE TRIGGER audit_fixed BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_kept BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER manifests_append BEFORE INSERT ON manifests FOR EACH ROW EXECUTE FUNCTION next_seq();
CREATE TRIGGER manifests_fixed BEFORE UPDATE OR DELETE ON manifests FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER manifests_kept BEFORE TRUNCATE ON manifests FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approvals_fixed BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION approval_fixed();
CREATE TRIGGER approvals_no_delete BEFORE DELETE ON approvals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approvals_kept BEFORE TRUNCATE ON approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
