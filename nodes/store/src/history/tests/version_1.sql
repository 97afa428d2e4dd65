-- The tables of version 1.
CREATE TABLE applied (log_index INTEGER NOT NULL, events INTEGER NOT NULL);
INSERT INTO applied VALUES (0, 0);

CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    log_index INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    name TEXT NOT NULL,
    experiment TEXT NOT NULL,
    pool TEXT NOT NULL,
    display_name TEXT,
    elements INTEGER NOT NULL,
    submit BLOB NOT NULL,
    submitted INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    ending TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    completed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    canceled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX runs_by_name ON runs (workspace, name);
CREATE INDEX runs_by_experiment ON runs (workspace, experiment);
CREATE INDEX runs_going_on ON runs (run) WHERE ending IS NULL;

CREATE TABLE tags (run INTEGER NOT NULL, key TEXT NOT NULL, value TEXT, PRIMARY KEY (run, key)) WITHOUT ROWID;
CREATE INDEX tags_by_key ON tags (key, value, run);

CREATE TABLE attempts (
    fence INTEGER PRIMARY KEY,
    log_index INTEGER NOT NULL,
    run INTEGER NOT NULL,
    element INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    node INTEGER NOT NULL,
    placed INTEGER NOT NULL,
    ended INTEGER,
    reason TEXT,
    report BLOB
);
CREATE INDEX attempts_by_run ON attempts (run, element);
CREATE TABLE elements (
    run INTEGER NOT NULL,
    element INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    ending TEXT NOT NULL,
    fence INTEGER,
    reason TEXT,
    PRIMARY KEY (run, element)
) WITHOUT ROWID;
CREATE TABLE canceled (
    run INTEGER NOT NULL,
    first INTEGER NOT NULL,
    past INTEGER NOT NULL,
    log_index INTEGER NOT NULL,
    ended INTEGER NOT NULL,
    PRIMARY KEY (run, first)
) WITHOUT ROWID;
CREATE TABLE events (
    log_index INTEGER NOT NULL,
    position INTEGER NOT NULL,
    wall INTEGER NOT NULL,
    run INTEGER,
    node INTEGER,
    what BLOB NOT NULL,
    PRIMARY KEY (log_index, position)
) WITHOUT ROWID;
CREATE INDEX events_by_run ON events (run, log_index, position) WHERE run IS NOT NULL;
CREATE INDEX events_by_node ON events (node, log_index, position) WHERE node IS NOT NULL;

PRAGMA user_version = 1;
