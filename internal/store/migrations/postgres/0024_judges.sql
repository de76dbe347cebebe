-- How well each judge, as it was defined then, found seeded defects.
CREATE TABLE judge_measures (
    environment TEXT NOT NULL,
    judge       TEXT NOT NULL,
    definition  TEXT NOT NULL,
    measured_at TIMESTAMPTZ NOT NULL,
    result      TEXT NOT NULL, -- JSON
    PRIMARY KEY (environment, judge, definition)
);
