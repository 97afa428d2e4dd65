//! The durable log of one Raft group: what it has acknowledged is on the disk.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use raft_engine::internals::LogQueue;
use raft_engine::{Command, Engine, LogBatch};
use tidegate_scheduler::consensus::{HardState, LogEntry, Persist, SnapshotPoint};

use super::codec::{self, Beginning, StoredEntry};
use super::engine;
use super::error::LogError;
use super::files::LogFiles;
use super::folder::{DataFolder, sync_folder};
use super::milestone::{self, Milestone};
use super::plan::Plan;
use super::recovery::{self, TornTail};
use super::repair;
use super::reserve::{DiskPressure, Reserve, is_full};
use super::shape::GROUP;

/// How the log uses its disk.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Bytes kept back for when the disk is full.
    pub reserve_bytes: u64,
    /// Length at which a file ends and the next begins. Compaction frees whole files.
    pub file_bytes: u64,
    /// Zeros kept ahead of the log's end, in bytes; 0 for none. They halve the time of a small synced write.
    pub ahead_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { reserve_bytes: 64 << 20, file_bytes: 32 << 20, ahead_bytes: 256 << 10 }
    }
}

/// What an opened log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The newest hard state that was written. Its `commit` may be behind what was committed.
    pub hard_state: HardState,
    /// The first index that the log may hold: 1, or the one after what was compacted away.
    pub first_index: u64,
    /// The last index that the log holds; one less than `first_index` when it is empty.
    pub last_index: u64,
    /// The write that a crash cut short, if there was one.
    pub torn_tail: Option<TornTail>,
}

/// An open log. It belongs to one thread at a time; every method blocks on the disk.
pub struct DurableLog {
    engine: Engine<LogFiles>,
    reserve: Arc<Reserve>,
    milestone: Milestone,
    folder: PathBuf,
    /// Kept between writes for its buffers; gone after a failed one, which leaves it half written.
    batch: Option<LogBatch>,
    beginning: Beginning,
    last: u64,
    hard_state: HardState,
    /// Whether `hard_state` is newer than what is on the disk. Only its `commit` ever is.
    hard_state_unwritten: bool,
    broken: Option<String>,
    /// Keeps others out of the data folder for as long as the log is open.
    _lock: Arc<File>,
}

impl DurableLog {
    /// Opens the log of `folder`, which stays locked for as long as the log is open.
    ///
    /// # Errors
    /// [`LogError::Damaged`], [`LogError::MissingFile`] and [`LogError::Incomplete`] when something that was
    /// acknowledged cannot be read back: then no byte has been changed.
    pub fn open(folder: &DataFolder, options: LogOptions) -> Result<(Self, Recovered), LogError> {
        let path = folder.log();
        let findings = recovery::inspect(&path)?;
        if let Some(torn) = &findings.torn_tail {
            tracing::warn!("{torn}");
        }
        repair::cut(&path, &findings.cuts)?;
        repair::settle(findings.newest.as_deref())?;
        let milestone = Milestone::open(&path, milestone::read(&path)?)?;
        let reserve = Arc::new(Reserve::open(&path, options.reserve_bytes)?);
        let engine = engine::open(&path, &options, reserve.clone())?;
        let (first_index, last_index) = findings
            .shape
            .bounds()
            .map_err(|detail| LogError::Incomplete { folder: path.clone(), detail })?;
        let mut log = Self {
            engine,
            reserve,
            milestone,
            folder: path,
            batch: None,
            beginning: findings.shape.beginning,
            last: last_index,
            hard_state: findings.shape.hard_state,
            hard_state_unwritten: false,
            broken: None,
            _lock: folder.lock(),
        };
        log.check_against_engine()?;
        if findings.records == 0 {
            log.begin()?;
        }
        let torn_tail = findings.torn_tail;
        let recovered = Recovered { hard_state: log.hard_state, first_index, last_index, torn_tail };
        Ok((log, recovered))
    }

    /// Writes `persists` in their order as one write, and syncs it. A batch that only moves `commit` is kept
    /// in memory until the next write: so at most one record is ever on its way to the disk, which is what
    /// lets recovery tell a torn write from damage.
    ///
    /// # Errors
    /// After [`LogError::DiskFull`] and [`LogError::OutOfOrder`] nothing was written and the log goes on.
    /// After [`LogError::Broken`] it takes no more writes.
    pub fn append(&mut self, persists: &[Persist]) -> Result<(), LogError> {
        let plan = Plan::of(persists, self.first_index(), self.last, self.hard_state)
            .map_err(|detail| LogError::OutOfOrder { detail })?;
        let changed = plan.hard_state != self.hard_state || self.hard_state_unwritten;
        if !plan.must_sync {
            (self.hard_state, self.hard_state_unwritten) = (plan.hard_state, changed);
            return Ok(());
        }
        let mut batch = self.batch.take().unwrap_or_default();
        for persist in persists {
            let stored: Vec<_> = persist.entries.iter().map(codec::to_stored).collect();
            batch.add_entries::<StoredEntry>(GROUP, &stored).map_err(self.refused("write"))?;
        }
        if changed {
            self.put(&mut batch, codec::HARD_STATE, codec::from_hard_state(&plan.hard_state))?;
        }
        self.write(batch)?;
        (self.last, self.hard_state, self.hard_state_unwritten) = (plan.last, plan.hard_state, false);
        Ok(())
    }

    /// The entries `from .. to`, as many of them as `max_bytes` of content allow, but at least one.
    ///
    /// # Errors
    /// [`LogError::Compacted`] or [`LogError::NotReached`] when the log does not hold the whole range.
    pub fn entries(&self, from: u64, to: u64, max_bytes: usize) -> Result<Vec<LogEntry>, LogError> {
        if to <= from {
            return Ok(Vec::new());
        }
        if from < self.first_index() {
            return Err(LogError::Compacted { index: from, first: self.first_index() });
        }
        if to > self.last + 1 {
            return Err(LogError::NotReached { index: to - 1, last: self.last });
        }
        let stored = engine::read(&self.folder, || {
            let mut stored = Vec::new();
            self.engine.fetch_entries_to::<StoredEntry>(GROUP, from, to, Some(max_bytes), &mut stored)?;
            Ok(stored)
        })?;
        let entries: Option<Vec<_>> = stored.into_iter().map(codec::from_stored).collect();
        entries.ok_or_else(|| LogError::Engine {
            action: "read",
            folder: self.folder.clone(),
            detail: format!(
                "an entry between {from} and {to} is of no known kind; a newer release may have written it"
            ),
        })
    }

    /// The term of entry `index`; also known for the last one that was compacted away.
    ///
    /// # Errors
    /// [`LogError::Compacted`] or [`LogError::NotReached`] when the log does not know it.
    pub fn term(&self, index: u64) -> Result<u64, LogError> {
        if index + 1 == self.first_index() {
            return Ok(self.beginning.term_before);
        }
        let entry = self.entries(index, index + 1, 0)?;
        entry.first().map(|entry| entry.term).ok_or(LogError::NotReached { index, last: self.last })
    }

    /// The first index that the log may hold.
    pub fn first_index(&self) -> u64 {
        self.beginning.first
    }

    /// The newest hard state, whether or not its `commit` is on the disk yet.
    pub fn hard_state(&self) -> HardState {
        self.hard_state
    }

    /// The last index that the log holds; one less than the first when it is empty.
    pub fn last_index(&self) -> u64 {
        self.last
    }

    /// Drops every entry up to `index` and with it, a stored snapshot being there in their place, and gives
    /// whole files back to the disk. An index already dropped changes nothing.
    ///
    /// Compact up to the older one of two stored snapshots: the newest may turn out unreadable.
    ///
    /// # Errors
    /// [`LogError::OutOfOrder`] for an entry that is not known to be committed.
    pub fn compact_to(&mut self, index: u64) -> Result<(), LogError> {
        if index < self.first_index() {
            return Ok(());
        }
        let known = self.last.min(self.hard_state.commit);
        if index > known {
            let detail = format!("it cannot be compacted to {index}: entries after {known} may yet change");
            return Err(LogError::OutOfOrder { detail });
        }
        let beginning = Beginning { first: index + 1, term_before: self.term(index)? };
        self.begin_at(beginning, index + 1, self.last, self.hard_state)
    }

    /// Drops every entry and begins again after a snapshot that another member sent, which must be stored
    /// already. `hard_state` is what goes with it.
    ///
    /// # Errors
    /// [`LogError::OutOfOrder`] when the log already begins after the snapshot.
    pub fn restart_after(&mut self, point: &SnapshotPoint, hard_state: HardState) -> Result<(), LogError> {
        if point.index + 1 < self.first_index() || hard_state.commit > point.index {
            let detail = format!(
                "it begins at {} and cannot begin again after a snapshot of {} with {} committed",
                self.first_index(),
                point.index,
                hard_state.commit
            );
            return Err(LogError::OutOfOrder { detail });
        }
        let beginning = Beginning { first: point.index + 1, term_before: point.term };
        self.begin_at(beginning, self.last.max(point.index) + 1, point.index, hard_state)
    }

    /// Whether the disk is full, so that new work should be refused; it may be asked as often as one likes.
    /// It also tries now and then to make the reserve whole again, and then answers `None`.
    pub fn pressure(&self) -> Option<DiskPressure> {
        self.reserve.pressure()
    }

    /// Writes the new beginning and everything else that must not stay in the files about to go.
    fn begin_at(
        &mut self,
        beginning: Beginning,
        drop_before: u64,
        last: u64,
        hard_state: HardState,
    ) -> Result<(), LogError> {
        let mut batch = self.batch.take().unwrap_or_default();
        batch.add_command(GROUP, Command::Compact { index: drop_before });
        self.put(&mut batch, codec::BEGINNING, codec::from_beginning(&beginning))?;
        self.put(&mut batch, codec::HARD_STATE, codec::from_hard_state(&hard_state))?;
        self.write(batch)?;
        (self.beginning, self.last) = (beginning, last);
        (self.hard_state, self.hard_state_unwritten) = (hard_state, false);
        self.drop_files()
    }

    /// Removes the files in which nothing lives any more. The engine ends the current file for it, so it is
    /// asked only when there is a file to remove.
    fn drop_files(&mut self) -> Result<(), LogError> {
        let (oldest, newest) = self.engine.file_span(LogQueue::Append);
        if oldest == newest {
            return Ok(());
        }
        let dropped = self.guarded("compact", || {
            self.engine.purge_manager().must_purge_all_stale();
            Ok(())
        });
        dropped.inspect_err(|error| self.broken = Some(error.to_string()))?;
        sync_folder(&self.folder).map_err(LogError::io("sync", &self.folder))
    }

    /// Makes the first record durable, and with it the first file: the engine leaves a file's name to chance.
    fn begin(&mut self) -> Result<(), LogError> {
        sync_folder(&self.folder).map_err(LogError::io("sync", &self.folder))?;
        let mut batch = self.batch.take().unwrap_or_default();
        self.put(&mut batch, codec::HARD_STATE, codec::from_hard_state(&self.hard_state))?;
        self.write(batch)
    }

    fn put(&self, batch: &mut LogBatch, key: &[u8], value: Vec<u8>) -> Result<(), LogError> {
        batch.put(GROUP, key.to_vec(), value).map_err(self.refused("write"))
    }

    fn write(&mut self, mut batch: LogBatch) -> Result<(), LogError> {
        if let Some(reason) = &self.broken {
            return Err(LogError::Broken { folder: self.folder.clone(), reason: reason.clone() });
        }
        let written = self.guarded("write", || self.engine.write(&mut batch, true)).and_then(|_| {
            let (_, newest) = self.engine.file_span(LogQueue::Append);
            self.milestone.reach(newest).map_err(LogError::io("note the newest file in", &self.folder))
        });
        match written {
            Ok(()) => {
                self.batch = Some(batch);
                Ok(())
            }
            Err(LogError::Io { source, .. }) if is_full(&source) => {
                Err(LogError::DiskFull { folder: self.folder.clone(), free_bytes: self.reserve.free_bytes() })
            }
            Err(error) => {
                self.broken = Some(error.to_string());
                Err(LogError::Broken { folder: self.folder.clone(), reason: error.to_string() })
            }
        }
    }

    fn guarded<T>(
        &self,
        action: &'static str,
        call: impl FnOnce() -> raft_engine::Result<T>,
    ) -> Result<T, LogError> {
        engine::guarded(&self.folder, action, call)
    }

    fn refused(&self, action: &'static str) -> impl Fn(raft_engine::Error) -> LogError {
        let folder = self.folder.clone();
        move |error| engine::error(&folder, action, error)
    }

    /// What recovery read and what the engine read must be the same log.
    fn check_against_engine(&self) -> Result<(), LogError> {
        let (first, last) = (self.engine.first_index(GROUP), self.engine.last_index(GROUP));
        let expected = (self.first_index() <= self.last).then_some((self.first_index(), self.last));
        if first.zip(last) == expected {
            return Ok(());
        }
        Err(LogError::Engine {
            action: "open",
            folder: self.folder.clone(),
            detail: format!(
                "the engine found entries {first:?} to {last:?}, where {expected:?} were expected"
            ),
        })
    }
}
