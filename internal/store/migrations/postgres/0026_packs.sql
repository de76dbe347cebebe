-- What a proposal's tree has and its base's tree has not, as a pack of git's in pieces,
-- so that any server of the database can go on with it.
CREATE TABLE proposal_packs (
    task       TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    size       BIGINT NOT NULL CHECK (size > 0),
    sha256     TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (task, revision),
    FOREIGN KEY (task, revision) REFERENCES proposals (task, revision)
);
CREATE TABLE proposal_pack_chunks (
    task       TEXT NOT NULL,
    revision   BIGINT NOT NULL,
    first_byte BIGINT NOT NULL CHECK (first_byte >= 0),
    data       BYTEA NOT NULL,
    PRIMARY KEY (task, revision, first_byte),
    FOREIGN KEY (task, revision) REFERENCES proposal_packs (task, revision)
);
CREATE TRIGGER proposal_packs_fixed BEFORE UPDATE OR DELETE ON proposal_packs FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposal_packs_kept BEFORE TRUNCATE ON proposal_packs FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposal_pack_chunks_fixed BEFORE UPDATE OR DELETE ON proposal_pack_chunks FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposal_pack_chunks_kept BEFORE TRUNCATE ON proposal_pack_chunks FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
