//! What is no more. Rows that were removed leave a note, so that a copy of what has changed removes them too.

use rusqlite::{Connection, OptionalExtension};
use tidegate_scheduler::ids::RunId;

/// How many notes are kept. Whoever is so far behind that more would be needed copies everything.
pub(super) const KEPT: u64 = 1_000_000;

/// Which rows of a run are no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// The end of one element: it was retried.
    Element(u32),
    /// The ends of all elements that did not complete: they were retried.
    NotCompleted,
    /// All that tells of the run: it was dropped.
    Run,
}

impl Gone {
    /// As the column `gone.element`.
    pub(super) fn column(self) -> i64 {
        match self {
            Self::Element(element) => element.into(),
            Self::NotCompleted => -1,
            Self::Run => -2,
        }
    }

    /// From the column `gone.element`.
    pub(super) fn of_column(column: i64) -> Option<Self> {
        match column {
            -1 => Some(Self::NotCompleted),
            -2 => Some(Self::Run),
            element => u32::try_from(element).ok().map(Self::Element),
        }
    }
}

/// Notes what went by the entry `index`.
pub(super) fn note(db: &Connection, index: u64, run: RunId, gone: Gone) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO gone (changed, run, element) VALUES (?1, ?2, ?3)")?
        .execute((index, run.0, gone.column()))?;
    Ok(())
}

/// Removes in a copy what went by the entry `index`. Rows of that entry go too, as those that it left come
/// after its notes; where one element of a range went, the rest of the range comes again.
pub(super) fn again(db: &Connection, index: i64, run: i64, gone: Gone) -> rusqlite::Result<()> {
    match gone {
        Gone::Element(element) => {
            db.prepare_cached("DELETE FROM elements WHERE run = ?1 AND element = ?2 AND log_index <= ?3")?
                .execute((run, element, index))?;
            db.prepare_cached(
                "DELETE FROM canceled WHERE run = ?1 AND first <= ?2 AND past > ?2 AND changed <= ?3",
            )?
            .execute((run, element, index))?;
        }
        Gone::NotCompleted => {
            db.prepare_cached(
                "DELETE FROM elements WHERE run = ?1 AND ending <> 'Completed' AND log_index <= ?2",
            )?
            .execute((run, index))?;
            db.prepare_cached("DELETE FROM canceled WHERE run = ?1 AND changed <= ?2")?
                .execute((run, index))?;
        }
        Gone::Run => drop_run(db, run)?,
    }
    Ok(())
}

/// Removes all that tells of a run.
pub(super) fn drop_run(db: &Connection, run: i64) -> rusqlite::Result<()> {
    for delete in [
        "DELETE FROM runs WHERE run = ?1",
        "DELETE FROM tags WHERE run = ?1",
        "DELETE FROM attempts WHERE run = ?1",
        "DELETE FROM elements WHERE run = ?1",
        "DELETE FROM canceled WHERE run = ?1",
        "DELETE FROM events WHERE (log_index, position) IN
             (SELECT log_index, position FROM events WHERE run = ?1)",
    ] {
        db.prepare_cached(delete)?.execute([run])?;
    }
    Ok(())
}

/// Keeps the newest `kept` notes, and says from where on all are there.
pub(super) fn prune(db: &Connection, kept: u64) -> rusqlite::Result<()> {
    let oldest: Option<i64> = db
        .prepare_cached("SELECT changed FROM gone ORDER BY changed DESC LIMIT 1 OFFSET ?1")?
        .query_row([kept], |row| row.get(0))
        .optional()?;
    if let Some(oldest) = oldest {
        let transaction = db.unchecked_transaction()?;
        transaction.execute("DELETE FROM gone WHERE changed <= ?1", [oldest])?;
        transaction.execute("UPDATE applied SET floor = max(floor, ?1)", [oldest])?;
        transaction.commit()?;
    }
    Ok(())
}
