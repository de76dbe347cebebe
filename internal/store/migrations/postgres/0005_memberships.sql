-- Who was in a team at the forge when it was last read there.
CREATE TABLE memberships (
    team    TEXT NOT NULL PRIMARY KEY, -- host:organization/team, by the forge's ids
    members TEXT NOT NULL, -- JSON
    gone    BOOLEAN NOT NULL DEFAULT FALSE, -- the forge shows no such team
    read_at TIMESTAMPTZ NOT NULL -- when the reading began
);
