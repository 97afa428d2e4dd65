//! What happened to runs: a projection of the replicated log into SQLite.
//!
//! [`History::apply`] takes the scheduler's events in the order of the log; the place reached is written in
//! the same transaction as the rows, so events that come again after a restart change nothing. Bodies of runs
//! go into the blob store. A commit is not synced, as the log still has it all: [`History::flush`] syncs, and
//! must be called before the log is truncated.
//!
//! Where a snapshot of the state came from a peer, the events before it never come: history knows the
//! [gap](History::set_gap) and takes [what has changed](History::export) from a peer's history.

mod body;
mod copy;
mod elements;
mod gap;
mod gone;
mod place;
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
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tidegate_scheduler::event::{Event, What};

pub use copy::{CopyCursor, CopyError, CopyPiece, MAX_PIECE_BYTES};
pub use query::{Cursor, EventFilter, NotACursor, Page, RunFilter};
pub use rows::{AttemptRow, ElementRow, RunRow};

use crate::sqlite::{self, Readers};
use crate::{BlobStore, StoreError};
use gap::Standing;
use place::Place;

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
    /// Events are missing that only a peer can give.
    #[error(
        "run history has come to entry {applied} and lacks what happened up to entry {needs}; \
         it is behind until that has been copied from another controller"
    )]
    Behind {
        /// The newest entry that is there.
        applied: u64,
        /// The entry up to which it must come.
        needs: u64,
    },
    /// What came from a peer cannot be taken, or what is to be sent cannot be read.
    #[error("run history cannot be copied from another controller: {0}")]
    Copy(#[from] CopyError),
}

impl HistoryError {
    /// Whether it is for want of room: the same write may succeed once there is some.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, HistoryError::Store(StoreError::DiskFull { .. }))
    }

    /// Whether it is because events are missing here; see [`History::is_behind`].
    pub fn is_behind(&self) -> bool {
        matches!(self, HistoryError::Behind { .. })
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
    /// What [`Writer::is_behind`] says, for those who do not wait for the writer.
    behind: AtomicBool,
}

struct Writer {
    db: Connection,
    /// The place that the database has reached.
    applied: Place,
    /// The place of the last event given since the process started: it may lie before `applied`.
    given: Place,
    /// Entries up to this one are missing, and come from a peer.
    needs: Option<u64>,
    /// How far a copy from a peer has come that is not finished.
    copy: Option<CopyCursor>,
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
        let standing = Standing::read(&db).map_err(|e| StoreError::database(path, e))?;
        let Standing { applied, needs, copy, floor: _ } = standing;
        let writer = Writer { db, applied, given: Place::default(), needs, copy };
        let behind = AtomicBool::new(writer.is_behind());
        let readers = Readers::new(path.to_owned());
        let inner = Inner { writer: Mutex::new(writer), readers, blobs, behind };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes what happened. Events come in the order of the log, in batches of any size; after a restart they
    /// come again from the first event of some entry on, and those already written change nothing.
    ///
    /// # Errors
    /// [`HistoryError::Behind`] while events before these are missing, or when the database or the blob store
    /// cannot be written: none of the batch is there then, and it may be given again.
    pub fn apply<E: Borrow<Event>>(&self, events: &[E]) -> Result<(), HistoryError> {
        let mut writer = self.writer();
        writer.check_gap()?;
        let Writer { db, applied, given, .. } = &mut *writer;
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

    /// The index of the newest entry of which an event was written, or that was [marked](Self::mark); 0 when
    /// there is none.
    pub fn applied_index(&self) -> u64 {
        self.writer().applied.index
    }

    /// Makes what was written durable: afterwards the log may be truncated up to it.
    ///
    /// # Errors
    /// When syncing fails; the log must be kept then.
    pub fn flush(&self) -> Result<(), HistoryError> {
        let path = self.inner.readers.path();
        // Held, so that no checkpoint moves pages between the two files meanwhile.
        let writer = self.writer();
        gone::prune(&writer.db, gone::KEPT).map_err(|e| StoreError::database(path, e))?;
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

fn write(db: &mut Connection, events: &[(Place, &Event)], reached: Place) -> rusqlite::Result<()> {
    let transaction: Transaction<'_> = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (place, event) in events {
        project::write(&transaction, place.events, event)?;
    }
    gap::write_place(&transaction, reached)?;
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
