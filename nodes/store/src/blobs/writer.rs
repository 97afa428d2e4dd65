//! The one thread that writes small blobs: everyone who waits while a commit runs shares the next one.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::StoreError;
use super::error::check_room;
use crate::{Digest, sqlite};

/// Told once what was asked for is synced, or has failed. It runs on the writer's thread.
pub(super) type Done<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// What the writer is asked to do.
pub(super) enum Work {
    /// Store these blobs.
    Put { blobs: Vec<(Digest, Vec<u8>)>, done: Done<()> },
    /// Renew the time of these blobs; tells which are there.
    Touch { digests: Vec<Digest>, done: Done<Vec<Digest>> },
    /// Remove those of these blobs that nobody stored within the duration; tells which went, and their sizes.
    Remove { digests: Vec<Digest>, untouched_for: Duration, done: Done<Vec<(Digest, u64)>> },
}

/// A commit takes in no more work once it holds this many bytes, or this many pieces of work.
const BATCH_BYTES: usize = 8 << 20;
const BATCH_WORK: usize = 4096;

/// The write-ahead log is moved to the database after this many bytes of blobs, or this many commits.
const CHECKPOINT_BYTES: u64 = 16 << 20;
const CHECKPOINT_COMMITS: u64 = 1000;

/// At most so many pages that removed blobs held are given back at a time: moving others takes log space.
const GIVE_BACK_PAGES: u32 = 1024;

/// When a blob is stored again its time is renewed only if it is older than this: most need no write.
pub(super) const TOUCH_AFTER: Duration = Duration::from_secs(600);

/// Figures that the writer keeps up to date for everyone.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) blobs: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) puts: AtomicU64,
    pub(super) commits: AtomicU64,
}

/// The thread's state.
pub(super) struct Writer {
    db: Connection,
    path: PathBuf,
    folder: PathBuf,
    keep_free: u64,
    counters: Arc<Counters>,
    /// After a failed sync nothing is known of what is on disk: the failure, and no more writes.
    stopped: Option<String>,
    since_checkpoint: (u64, u64),
}

/// What a transaction did, told to those who wait once it is committed.
enum Outcome {
    Put(Done<()>),
    Touched(Vec<Digest>, Done<Vec<Digest>>),
    Removed(Vec<(Digest, u64)>, Done<Vec<(Digest, u64)>>),
}

/// How a transaction changed the totals.
#[derive(Default)]
struct Change {
    blobs: i64,
    bytes: i64,
}

impl Writer {
    pub(super) fn new(
        db: Connection,
        path: PathBuf,
        folder: PathBuf,
        keep_free: u64,
    ) -> Result<Self, StoreError> {
        let (blobs, bytes) = db
            .query_row("SELECT blobs, bytes FROM totals", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|e| StoreError::database(&path, e))?;
        let counters =
            Counters { blobs: AtomicU64::new(blobs), bytes: AtomicU64::new(bytes), ..Counters::default() };
        let counters = Arc::new(counters);
        Ok(Self { db, path, folder, keep_free, counters, stopped: None, since_checkpoint: (0, 0) })
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Works until every handle of the store is gone.
    pub(super) fn run(mut self, queue: Receiver<Work>) {
        while let Ok(first) = queue.recv() {
            let mut bytes = first.bytes();
            let mut batch = VecDeque::from([first]);
            while bytes < BATCH_BYTES
                && batch.len() < BATCH_WORK
                && let Ok(next) = queue.try_recv()
            {
                bytes += next.bytes();
                batch.push_back(next);
            }
            self.process(batch, bytes as u64);
        }
    }

    fn process(&mut self, batch: VecDeque<Work>, bytes: u64) {
        if let Some(cause) = &self.stopped {
            let error = StoreError::Stopped { folder: self.folder.clone(), cause: cause.clone() };
            return batch.into_iter().for_each(|work| work.fail(&error));
        }
        // Only growth needs room: blobs can be removed from a full disk.
        let room = if bytes > 0 { self.make_room(bytes) } else { Ok(()) };
        let mut accepted = VecDeque::with_capacity(batch.len());
        for work in batch {
            match (&room, &work) {
                (Err(error), Work::Put { .. }) => work.fail(error),
                _ => accepted.push_back(work),
            }
        }
        self.commit(accepted);
        self.checkpoint_when_due(bytes);
    }

    /// Makes sure that `bytes` more may be written, taking back what removed blobs held if need be.
    fn make_room(&mut self, bytes: u64) -> Result<(), StoreError> {
        // What waits in the write-ahead log will be written once more, to the database.
        let (in_log, commits) = self.since_checkpoint;
        let room = check_room(&self.folder, self.keep_free, in_log + bytes);
        if room.is_ok() || commits == 0 {
            return room;
        }
        self.since_checkpoint = (0, 0);
        let reclaimed = sqlite::give_back(&self.db, GIVE_BACK_PAGES)
            .and_then(|()| sqlite::checkpoint(&self.db, "TRUNCATE"));
        if let Err(error) = reclaimed {
            self.note(&StoreError::database(&self.path, error));
        }
        check_room(&self.folder, self.keep_free, bytes)
    }

    fn commit(&mut self, mut batch: VecDeque<Work>) {
        if batch.is_empty() {
            return;
        }
        match transact(&mut self.db, &mut batch) {
            Ok((outcomes, change)) => {
                self.counters.commits.fetch_add(1, Relaxed);
                add(&self.counters.blobs, change.blobs);
                add(&self.counters.bytes, change.bytes);
                for outcome in outcomes {
                    match outcome {
                        Outcome::Put(done) => done(Ok(())),
                        Outcome::Touched(there, done) => done(Ok(there)),
                        Outcome::Removed(removed, done) => done(Ok(removed)),
                    }
                }
            }
            Err((error, outcomes)) => {
                let error = StoreError::database(&self.path, error);
                self.note(&error);
                outcomes.into_iter().for_each(|outcome| outcome.fail(&error));
                batch.into_iter().for_each(|work| work.fail(&error));
            }
        }
    }

    fn checkpoint_when_due(&mut self, bytes: u64) {
        let (total, commits) = &mut self.since_checkpoint;
        *total += bytes;
        *commits += 1;
        if *total < CHECKPOINT_BYTES && *commits < CHECKPOINT_COMMITS {
            return;
        }
        self.since_checkpoint = (0, 0);
        let done = sqlite::give_back(&self.db, GIVE_BACK_PAGES)
            .and_then(|()| sqlite::checkpoint(&self.db, "PASSIVE"));
        if let Err(error) = done {
            self.note(&StoreError::database(&self.path, error));
        }
    }

    fn note(&mut self, error: &StoreError) {
        tracing::error!(%error, "small blobs could not be written");
        if !error.leaves_disk_known() {
            self.stopped = Some(error.to_string());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Space that sweeps emptied goes back to the file system; a failure costs only that space.
        if let Err(error) = sqlite::give_back(&self.db, GIVE_BACK_PAGES) {
            tracing::warn!(%error, path = %self.path.display(), "empty pages were not given back");
        }
    }
}

impl Work {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { blobs, .. } => blobs.iter().map(|(_, data)| data.len() + 128).sum(),
            Self::Touch { .. } | Self::Remove { .. } => 0,
        }
    }

    pub(super) fn fail(self, error: &StoreError) {
        match self {
            Self::Put { done, .. } => done(Err(error.clone())),
            Self::Touch { done, .. } => done(Err(error.clone())),
            Self::Remove { done, .. } => done(Err(error.clone())),
        }
    }
}

impl Outcome {
    fn fail(self, error: &StoreError) {
        match self {
            Self::Put(done) => done(Err(error.clone())),
            Self::Touched(_, done) => done(Err(error.clone())),
            Self::Removed(_, done) => done(Err(error.clone())),
        }
    }
}

type Failed = (rusqlite::Error, Vec<Outcome>);

/// Does all of `batch` in one transaction. On failure none of it is done: those already taken out of
/// `batch` come back with the error, the others are still in it.
fn transact(db: &mut Connection, batch: &mut VecDeque<Work>) -> Result<(Vec<Outcome>, Change), Failed> {
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut change = Change::default();
    let transaction = match db.transaction_with_behavior(TransactionBehavior::Immediate) {
        Ok(transaction) => transaction,
        Err(error) => return Err((error, outcomes)),
    };
    let now = unix_seconds();
    while let Some(work) = batch.pop_front() {
        let (result, outcome) = match work {
            Work::Put { blobs, done } => {
                let result = blobs
                    .iter()
                    .try_for_each(|(digest, data)| put(&transaction, digest, data, now, &mut change));
                (result, Outcome::Put(done))
            }
            Work::Touch { digests, done } => {
                let mut there = Vec::new();
                let result = digests.iter().try_for_each(|digest| {
                    let found = touch(&transaction, digest, now)?;
                    there.extend(found.then_some(*digest));
                    Ok(())
                });
                (result, Outcome::Touched(there, done))
            }
            Work::Remove { digests, untouched_for, done } => {
                let before = now.saturating_sub(untouched_for.as_secs());
                let mut removed = Vec::new();
                let result = digests.iter().try_for_each(|digest| {
                    remove(&transaction, digest, before, &mut change).map(|gone| removed.extend(gone))
                });
                (result, Outcome::Removed(removed, done))
            }
        };
        outcomes.push(outcome);
        if let Err(error) = result {
            return Err((error, outcomes));
        }
    }
    match write_totals(&transaction, &change).and_then(|()| transaction.commit()) {
        Ok(()) => Ok((outcomes, change)),
        Err(error) => Err((error, outcomes)),
    }
}

fn put(
    db: &Transaction<'_>,
    digest: &Digest,
    data: &[u8],
    now: u64,
    change: &mut Change,
) -> rusqlite::Result<()> {
    let key = digest.as_bytes();
    let new = db
        .prepare_cached(
            "INSERT INTO small (digest, touched, data) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute((key, now, data))?;
    if new == 1 {
        change.blobs += 1;
        change.bytes += data.len() as i64;
        return Ok(());
    }
    let (touched, length, same): (u64, i64, bool) = db
        .prepare_cached("SELECT touched, length(data), data = ?2 FROM small WHERE digest = ?1")?
        .query_row((key, data), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if !same {
        // The caller has the true bytes of this digest, so what is stored was damaged.
        tracing::warn!(%digest, "a damaged blob is replaced");
        change.bytes += data.len() as i64 - length;
    }
    if !same || touched + TOUCH_AFTER.as_secs() < now {
        db.prepare_cached("UPDATE small SET touched = ?2, data = ?3 WHERE digest = ?1")?
            .execute((key, now, data))?;
    }
    Ok(())
}

/// Renews a blob's time; says whether it is there.
fn touch(db: &Transaction<'_>, digest: &Digest, now: u64) -> rusqlite::Result<bool> {
    let changed = db
        .prepare_cached("UPDATE small SET touched = max(touched, ?2) WHERE digest = ?1")?
        .execute((digest.as_bytes(), now))?;
    Ok(changed > 0)
}

fn remove(
    db: &Transaction<'_>,
    digest: &Digest,
    before: u64,
    change: &mut Change,
) -> rusqlite::Result<Option<(Digest, u64)>> {
    let length: Option<u64> = db
        .prepare_cached("DELETE FROM small WHERE digest = ?1 AND touched <= ?2 RETURNING length(data)")?
        .query_row((digest.as_bytes(), before), |row| row.get(0))
        .optional()?;
    if let Some(length) = length {
        change.blobs -= 1;
        change.bytes -= length as i64;
    }
    Ok(length.map(|length| (*digest, length)))
}

fn write_totals(db: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    if change.blobs != 0 || change.bytes != 0 {
        db.prepare_cached("UPDATE totals SET blobs = blobs + ?1, bytes = bytes + ?2")?
            .execute((change.blobs, change.bytes))?;
    }
    Ok(())
}

fn add(counter: &AtomicU64, change: i64) {
    counter.fetch_add(change as u64, Relaxed); // two's complement: a negative change subtracts
}

/// Seconds since 1970 by this machine's clock; blobs' ages are all that depends on it.
pub(super) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
