-- Who was in a team at the forge when it was last read there.
CREATE TABLE memberships (
    team    TEXT NOT NULL PRIMARY KEY, -- host:organization/team, by the forge's ids
    members TEXT NOT NULL, -- JSON
    gone    INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)), -- the forge shows no such team
    read_at TEXT NOT NULL -- when the reading began
) STRICT;
