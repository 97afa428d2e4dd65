//! The tables of run history.

use crate::sqlite::Form;

/// Every row carries the index of the log entry that made it (`log_index`), and where it may change later, of
/// the one that last changed it (`changed`): a copy of what changed since some entry finds its rows by these.
/// Times are microseconds since 1970 by the leader's clock (`wall`) or by the worker's (`started`); `submit`,
/// `report` and `what` are the scheduler's own values in MessagePack.
const SCHEMA: &str = "
    CREATE TABLE applied (
        -- How far the projection has come: events of entries before `log_index`, and `events` of that entry.
        log_index INTEGER NOT NULL,
        events INTEGER NOT NULL,
        floor INTEGER NOT NULL DEFAULT 0,  -- rows of `gone` up to this entry are no longer kept
        needs INTEGER,                     -- entries up to this one are missing, and come from a peer
        copy BLOB                          -- how far a copy from a peer has come that is not finished
    );
    INSERT INTO applied (log_index, events) VALUES (0, 0);

    CREATE TABLE runs (
        run INTEGER PRIMARY KEY,
        log_index INTEGER NOT NULL,
        workspace TEXT NOT NULL,
        name TEXT NOT NULL,
        experiment TEXT NOT NULL,
        pool TEXT NOT NULL,
        display_name TEXT,
        elements INTEGER NOT NULL,
        submit BLOB NOT NULL,       -- without the body, which is a blob
        submitted INTEGER NOT NULL,
        started INTEGER,            -- when its first command did
        ended INTEGER,
        ending TEXT,                -- Completed, Failed, Canceled; NULL while it goes on
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        completed INTEGER NOT NULL DEFAULT 0,
        failed INTEGER NOT NULL DEFAULT 0,
        canceled INTEGER NOT NULL DEFAULT 0,
        changed INTEGER NOT NULL
    );
    CREATE INDEX runs_by_change ON runs (changed);
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
        reason TEXT,                -- why it is not the element's result; NULL for the one that is
        report BLOB,
        changed INTEGER NOT NULL
    );
    CREATE INDEX attempts_by_change ON attempts (changed);
    CREATE INDEX attempts_by_run ON attempts (run, element);

    -- Elements that ended one by one.
    CREATE TABLE elements (
        run INTEGER NOT NULL,
        element INTEGER NOT NULL,
        log_index INTEGER NOT NULL,
        ended INTEGER NOT NULL,
        ending TEXT NOT NULL,
        fence INTEGER,              -- the attempt that is its result, if one is
        reason TEXT,
        PRIMARY KEY (run, element)
    ) WITHOUT ROWID;
    CREATE INDEX elements_by_change ON elements (log_index, run, element);

    -- Elements first..past that were cancelled together while they waited; a row in `elements` goes before.
    CREATE TABLE canceled (
        run INTEGER NOT NULL,
        first INTEGER NOT NULL,
        past INTEGER NOT NULL,
        log_index INTEGER NOT NULL,
        ended INTEGER NOT NULL,
        changed INTEGER NOT NULL,
        PRIMARY KEY (run, first)
    ) WITHOUT ROWID;
    CREATE INDEX canceled_by_change ON canceled (changed, run, first);

    -- What happened that no row above tells.
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

    -- Rows that are no more: those of an element that was retried, of all elements of a run that did not
    -- complete (`element` -1), or all of a run (`element` -2).
    CREATE TABLE gone (
        changed INTEGER NOT NULL,
        run INTEGER NOT NULL,
        element INTEGER NOT NULL,
        PRIMARY KEY (changed, run, element)
    ) WITHOUT ROWID;

    PRAGMA user_version = 2;
";

/// Version 1 did not know when a row had last changed, nor what was gone: all counts as changed just now, and
/// whoever is behind copies it whole.
const FROM_1_TO_2: &str = "
    ALTER TABLE applied ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE applied ADD COLUMN needs INTEGER;
    ALTER TABLE applied ADD COLUMN copy BLOB;
    UPDATE applied SET floor = log_index;

    ALTER TABLE runs ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE attempts ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE canceled ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    UPDATE runs SET changed = (SELECT log_index FROM applied);
    UPDATE attempts SET changed = (SELECT log_index FROM applied);
    UPDATE canceled SET changed = (SELECT log_index FROM applied);

    CREATE INDEX runs_by_change ON runs (changed);
    CREATE INDEX attempts_by_change ON attempts (changed);
    CREATE INDEX elements_by_change ON elements (log_index, run, element);
    CREATE INDEX canceled_by_change ON canceled (changed, run, first);
    CREATE TABLE gone (
        changed INTEGER NOT NULL,
        run INTEGER NOT NULL,
        element INTEGER NOT NULL,
        PRIMARY KEY (changed, run, element)
    ) WITHOUT ROWID;

    PRAGMA user_version = 2;
";

/// A commit need not be synced: the log still has what is lost, until a flush.
pub(super) const FORM: Form = Form {
    schema: SCHEMA,
    version: 2,
    upgrades: &[FROM_1_TO_2],
    synchronous: "NORMAL",
    autocheckpoint: 4000,
};
