//! What happened to runs: a projection of the replicated log into SQLite.
//!
//! [`History::apply`] takes the scheduler's events in the order of the log; the place reached is written in
//! the same transaction as the rows, so events that come again after a restart change nothing. Bodies of runs
//! go into the blob store. A commit is not synced, as the log still has it all: [`History::flush`] syncs, and
//! must be called before the log is truncated.

mod body;
mod elements;
mod project;
mod query;
mod referenced;
mod rows;
mod schema;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tidegate_scheduler::event::{Event, What};

pub use query::{Cursor, EventFilter, NotACursor, Page, RunFilter};
pub use rows::{AttemptRow, ElementRow, RunRow};

use crate::sqlite::{self, Readers};
use crate::{BlobStore, StoreError};

/// Why history did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HistoryError {
    /// The database or the blob store refused.
    #[error("run history: {0}")]
    Store(#[from] StoreError),
    /// A body does not have the digest that its submission states.
    #[error(
        "run history: the body of run {run} is not what its digest says; the log and its driver disagree"
    )]
    Body {
        /// The run's name.
        run: String,
    },
}

impl HistoryError {
    /// Whether it is for want of room: the same write may succeed once there is some.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, HistoryError::Store(StoreError::DiskFull { .. }))
    }
}

/// Run history. Handles are cheap to clone and serve any thread; calls block.
#[derive(Clone)]
pub struct History {
    inner: Arc<Inner>,
}

struct Inner {
    writer: Mutex<Writer>,
    readers: Readers,
    blobs: BlobStore,
}

struct Writer {
    db: Connection,
    /// The place that the database has reached.
    applied: Place,
    /// The place of the last event given since the process started: it may lie before `applied`.
    given: Place,
}

/// A place in the log: how many events of an entry lie before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Place {
    index: u64,
    events: u64,
}

impl History {
    /// Opens the history in the file `path`, making it when there is none. Bodies of runs go into `blobs`.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or was written by a newer release.
    pub fn open(path: &Path, blobs: BlobStore) -> Result<Self, HistoryError> {
        let db = sqlite::open_writer(path, &schema::FORM)?;
        if let Some(folder) = path.parent() {
            crate::blobs::sync_folder(folder)?;
        }
        let applied = db
            .query_row("SELECT log_index, events FROM applied", [], |row| {
                Ok(Place { index: row.get(0)?, events: row.get(1)? })
            })
            .map_err(|e| StoreError::database(path, e))?;
        let writer = Mutex::new(Writer { db, applied, given: Place::default() });
        let inner = Inner { writer, readers: Readers::new(path.to_owned()), blobs };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes what happened. Events come in the order of the log, in batches of any size; after a restart they
    /// come again from the first event of some entry on, and those already written change nothing.
    ///
    /// # Errors
    /// When the database or the blob store cannot be written: none of the batch is there then, and it may be
    /// given again.
    pub fn apply<E: Borrow<Event>>(&self, events: &[E]) -> Result<(), HistoryError> {
        let mut writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { db, applied, given } = &mut *writer;
        let (mut at, mut new) = (*given, Vec::new());
        for event in events.iter().map(Borrow::borrow) {
            at = at.next(event.index);
            if at > *applied {
                new.push((at, event));
            }
        }
        if let Some((reached, _)) = new.last() {
            self.store_bodies(&new)?;
            write(db, &new, *reached).map_err(|e| StoreError::database(self.inner.readers.path(), e))?;
            *applied = *reached;
        }
        *given = at;
        Ok(())
    }

    /// Bodies first: a row never refers to a body that is not there.
    fn store_bodies(&self, events: &[(Place, &Event)]) -> Result<(), HistoryError> {
        let submits = events.iter().filter_map(|(_, event)| match &event.what {
            What::Submitted { submit, .. } => Some(submit),
            _ => None,
        });
        let (mut bodies, mut expected) = (Vec::new(), Vec::new());
        for submit in submits {
            bodies.push(submit.body.clone());
            expected.push((&submit.name, submit.digest));
        }
        if bodies.is_empty() {
            return Ok(());
        }
        let stored = self.inner.blobs.put_many(bodies)?;
        for (digest, (run, expected)) in stored.into_iter().zip(expected) {
            if digest != expected.into() {
                return Err(HistoryError::Body { run: run.clone() });
            }
        }
        Ok(())
    }

    /// The index of the newest entry of which an event was written; 0 when there is none.
    pub fn applied_index(&self) -> u64 {
        self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner).applied.index
    }

    /// Makes what was written durable: afterwards the log may be truncated up to it.
    ///
    /// # Errors
    /// When syncing fails; the log must be kept then.
    pub fn flush(&self) -> Result<(), HistoryError> {
        let path = self.inner.readers.path();
        // Held, so that no checkpoint moves pages between the two files meanwhile.
        let writer = self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for file in [sqlite::beside(path, "-wal"), path.to_owned()] {
            match File::open(&file).and_then(|file| file.sync_all()) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(StoreError::io("sync", &file, e).into());
                }
                _ => {}
            }
        }
        drop(writer);
        Ok(())
    }
}

impl Place {
    /// The place after one more event, of the entry `index`.
    fn next(self, index: u64) -> Self {
        let before = if index == self.index { self.events } else { 0 };
        Self { index, events: before + 1 }
    }
}

fn write(db: &mut Connection, events: &[(Place, &Event)], reached: Place) -> rusqlite::Result<()> {
    let transaction: Transaction<'_> = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (place, event) in events {
        project::write(&transaction, place.events, event)?;
    }
    transaction
        .prepare_cached("UPDATE applied SET log_index = ?1, events = ?2")?
        .execute((reached.index, reached.events))?;
    transaction.commit()
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.readers.close();
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History").field("path", &self.inner.readers.path()).finish_non_exhaustive()
    }
}
