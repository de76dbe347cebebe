-- What a proposal's tree has and its base's tree has not, as a pack of git's in pieces,
-- so that any server of the database can go on with it.
CREATE TABLE proposal_packs (
    task       TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    size       INTEGER NOT NULL CHECK (size > 0),
    sha256     TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (task, revision),
    FOREIGN KEY (task, revision) REFERENCES proposals (task, revision)
) STRICT;
CREATE TABLE proposal_pack_chunks (
    task       TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    first_byte INTEGER NOT NULL CHECK (first_byte >= 0),
    data       BLOB NOT NULL,
    PRIMARY KEY (task, revision, first_byte),
    FOREIGN KEY (task, revision) REFERENCES proposal_packs (task, revision)
) STRICT;
CREATE TRIGGER proposal_packs_no_update BEFORE UPDATE ON proposal_packs
BEGIN SELECT RAISE(ABORT, 'the objects of a proposal cannot be changed'); END;
CREATE TRIGGER proposal_packs_no_delete BEFORE DELETE ON proposal_packs
BEGIN SELECT RAISE(ABORT, 'the objects of a proposal cannot be removed'); END;
CREATE TRIGGER proposal_pack_chunks_no_update BEFORE UPDATE ON proposal_pack_chunks
BEGIN SELECT RAISE(ABORT, 'the objects of a proposal cannot be changed'); END;
CREATE TRIGGER proposal_pack_chunks_no_delete BEFORE DELETE ON proposal_pack_chunks
BEGIN SELECT RAISE(ABORT, 'the objects of a proposal cannot be removed'); END;
