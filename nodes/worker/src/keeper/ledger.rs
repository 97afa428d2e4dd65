//! The attempts of the node, as the fold of the journal's records: what a record says is written before it is true.

use std::{collections::BTreeMap, io, path::PathBuf};

use super::{
    journal::{Journal, Record},
    protocol::{AttemptStatus, Exit, Phase},
};

/// An error text longer than this is cut before it is kept.
const ERROR_MAX_BYTES: usize = 4096;

/// All attempts that have not been forgotten, and the journal behind them.
#[derive(Debug)]
pub(super) struct Ledger {
    journal: Journal,
    /// The first record of a compacted journal.
    opened: Option<Record>,
    attempts: BTreeMap<u64, Attempt>,
    /// Records that the disk refused, in order; what they say is not told to anyone until it takes them.
    refused: Vec<Record>,
    /// Attempts that are over by such records, since written, and not told yet.
    late: Vec<AttemptStatus>,
}

#[derive(Debug)]
struct Attempt {
    phase: Phase,
    /// Boot clock before and after the spawn, in microseconds.
    boot_us: (u64, u64),
}

/// An attempt whose keeper died while it ran, or was about to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Orphaned {
    pub(super) fence: u64,
    /// Process id, boot clock before and after the spawn, start time; unknown when the keeper died in between.
    pub(super) spawned: Option<(u32, (u64, u64), u64)>,
}

/// What a dead keeper left behind.
#[derive(Debug, Default)]
pub(super) struct Inheritance {
    pub(super) boot_id: Option<String>,
    pub(super) cgroup_roots: Vec<PathBuf>,
    pub(super) unfinished: Vec<Orphaned>,
}

impl Ledger {
    /// Takes up a journal: its attempts, and what the keeper before left unfinished.
    pub(super) fn take_up(journal: Journal, records: Vec<Record>) -> (Self, Inheritance) {
        let mut ledger =
            Self { journal, opened: None, attempts: BTreeMap::new(), refused: Vec::new(), late: Vec::new() };
        let mut inheritance = Inheritance::default();
        for record in &records {
            if let Record::Opened { boot_id, cgroup_roots } = record {
                inheritance.boot_id = Some(boot_id.clone());
                inheritance.cgroup_roots = cgroup_roots.clone();
            }
            ledger.apply(record);
        }
        inheritance.unfinished = ledger.unfinished();
        (ledger, inheritance)
    }

    /// Writes the start of this keeper's use of the journal, dropping what is no longer needed of the old records.
    pub(super) fn begin(&mut self, opened: Record) -> io::Result<()> {
        self.opened = Some(opened);
        self.journal.replace(&self.snapshot())
    }

    /// Writes a record, then lets it be true.
    ///
    /// # Errors
    ///
    /// The disk refused it: nothing has changed.
    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        self.retry_refused()?;
        self.journal.append([record])?;
        self.apply(record);
        if self.journal.wants_compaction(self.attempts.len()) {
            // The old journal is whole: that it could not be shortened costs space alone.
            if let Err(error) = self.journal.replace(&self.snapshot()) {
                tracing::warn!(%error, "the keeper's journal could not be compacted");
            }
        }
        Ok(())
    }

    /// As [`Ledger::write`], for what has happened whether or not it can be written: it is kept in memory and tried
    /// again by each later write and by [`Ledger::late`]. Says whether it is written.
    pub(super) fn write_or_keep(&mut self, record: Record) -> bool {
        match self.write(&record) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the keeper's journal cannot be written; is the disk full? Trying again");
                self.refused.push(record);
                false
            }
        }
    }

    /// Tries to write what the disk refused before, and gives the attempts that are over by what it now took.
    pub(super) fn late(&mut self) -> Vec<AttemptStatus> {
        if let Err(error) = self.retry_refused() {
            tracing::warn!(%error, "the keeper's journal still cannot be written");
        }
        std::mem::take(&mut self.late)
    }

    fn retry_refused(&mut self) -> io::Result<()> {
        if self.refused.is_empty() {
            return Ok(());
        }
        self.journal.append(&self.refused)?;
        for record in std::mem::take(&mut self.refused) {
            self.apply(&record);
            if let Record::Ended(Exit { fence, .. }) | Record::Failed { fence, .. } = record {
                self.late.extend(self.status(fence));
            }
        }
        Ok(())
    }

    /// Where an attempt stands, if it is known.
    pub(super) fn status(&self, fence: u64) -> Option<AttemptStatus> {
        let phase = self.attempts.get(&fence)?.phase.clone();
        Some(AttemptStatus { fence, phase })
    }

    /// Where all attempts stand, by rising fence.
    pub(super) fn statuses(&self) -> Vec<AttemptStatus> {
        let status = |(fence, attempt): (&u64, &Attempt)| AttemptStatus {
            fence: *fence,
            phase: attempt.phase.clone(),
        };
        self.attempts.iter().map(status).collect()
    }

    /// Something has happened that the disk has not taken yet.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.refused.is_empty()
    }

    fn unfinished(&self) -> Vec<Orphaned> {
        let orphaned = |(fence, attempt): (&u64, &Attempt)| {
            let spawned = match &attempt.phase {
                Phase::Starting => None,
                Phase::Running { pid, started_unix_us } => Some((*pid, attempt.boot_us, *started_unix_us)),
                Phase::StartFailed { .. } | Phase::Exited(_) => return None,
            };
            Some(Orphaned { fence: *fence, spawned })
        };
        self.attempts.iter().filter_map(orphaned).collect()
    }

    fn apply(&mut self, record: &Record) {
        match record {
            Record::Opened { .. } => {}
            Record::Intent { fence } => self.set(*fence, Phase::Starting, (0, 0)),
            Record::Spawned { fence, pid, boot_us, started_unix_us } => {
                let phase = Phase::Running { pid: *pid, started_unix_us: *started_unix_us };
                self.set(*fence, phase, *boot_us);
            }
            Record::Failed { fence, error } => {
                self.set(*fence, Phase::StartFailed { error: error.clone() }, (0, 0));
            }
            Record::Ended(exit) => self.set(exit.fence, Phase::Exited(exit.clone()), (0, 0)),
            Record::Forgotten { fences } => {
                for fence in fences {
                    if self.attempts.get(fence).is_some_and(|attempt| attempt.phase.is_over()) {
                        self.attempts.remove(fence);
                    }
                }
            }
        }
    }

    fn set(&mut self, fence: u64, phase: Phase, boot_us: (u64, u64)) {
        self.attempts.insert(fence, Attempt { phase, boot_us });
    }

    /// The fewest records that fold to what is now.
    fn snapshot(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.opened.iter().cloned().collect();
        records.extend(self.attempts.iter().map(|(&fence, attempt)| match &attempt.phase {
            Phase::Starting => Record::Intent { fence },
            Phase::Running { pid, started_unix_us } => Record::Spawned {
                fence,
                pid: *pid,
                boot_us: attempt.boot_us,
                started_unix_us: *started_unix_us,
            },
            Phase::StartFailed { error } => Record::Failed { fence, error: error.clone() },
            Phase::Exited(exit) => Record::Ended(exit.clone()),
        }));
        records
    }
}

/// Cuts an error text to what the journal keeps.
pub(super) fn bounded(mut error: String) -> String {
    let cut = error.floor_char_boundary(ERROR_MAX_BYTES);
    error.truncate(cut);
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::protocol::{Cause, Outcome};

    fn exit(fence: u64) -> Exit {
        Exit {
            fence,
            outcome: Outcome::Code(0),
            cause: Cause::Natural,
            oom_killed: false,
            started_unix_us: 1,
            ended_unix_us: 2,
            cpu_us: 3,
            max_rss_kib: 4,
            log_truncated: false,
        }
    }

    fn take_up(path: &std::path::Path) -> (Ledger, Inheritance) {
        let loaded = Journal::open(path).unwrap();
        Ledger::take_up(loaded.journal, loaded.records)
    }

    #[test]
    fn what_the_disk_refuses_is_not_told_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let (mut ledger, _) = take_up(&path);
        ledger.write(&Record::Intent { fence: 1 }).unwrap();
        // A file that cannot be written to stands for a full disk.
        let good = ledger.journal.swap(std::fs::File::open(&path).unwrap());
        assert!(ledger.write(&Record::Intent { fence: 2 }).is_err());
        assert!(!ledger.write_or_keep(Record::Ended(exit(1))));
        assert_eq!(ledger.late(), []);
        assert!(ledger.has_unwritten());
        assert_eq!(ledger.status(1).unwrap().phase, Phase::Starting);
        assert_eq!(ledger.status(2), None);
        ledger.journal.swap(good);
        let ended = AttemptStatus { fence: 1, phase: Phase::Exited(exit(1)) };
        assert_eq!(ledger.late(), std::slice::from_ref(&ended));
        assert_eq!(ledger.late(), []);
        assert!(!ledger.has_unwritten());
        assert_eq!(take_up(&path).0.statuses(), [ended]);
    }

    #[test]
    fn a_journal_is_compacted_to_what_is_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j");
        let (mut ledger, _) = take_up(&path);
        ledger.begin(Record::Opened { boot_id: "b".to_owned(), cgroup_roots: vec!["/r".into()] }).unwrap();
        let spawned = |fence| Record::Spawned { fence, pid: 7, boot_us: (10, 20), started_unix_us: 30 };
        ledger.write(&spawned(0)).unwrap();
        ledger.write(&Record::Ended(exit(1))).unwrap();
        for fence in 2..40_000 {
            for record in [Record::Intent { fence }, spawned(fence), Record::Ended(exit(fence))] {
                ledger.write(&record).unwrap();
            }
            // What runs is not forgotten.
            ledger.write(&Record::Forgotten { fences: vec![fence, 0] }).unwrap();
        }
        assert!(std::fs::metadata(&path).unwrap().len() < 5 << 20);
        let (again, inheritance) = take_up(&path);
        assert_eq!(again.statuses(), ledger.statuses());
        assert_eq!(again.statuses().len(), 2);
        assert_eq!(inheritance.boot_id.as_deref(), Some("b"));
        assert_eq!(inheritance.cgroup_roots, [PathBuf::from("/r")]);
        assert_eq!(inheritance.unfinished, [Orphaned { fence: 0, spawned: Some((7, (10, 20), 30)) }]);
    }
}
