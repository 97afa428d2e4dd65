//! The snapshots on a disk: the newest two, each whole or not.

use tidegate_scheduler::consensus::SnapshotPoint;

/// How many are kept: the newest, and the one before it in case the newest cannot be read.
const KEPT: usize = 2;

/// What is wrong with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Its end is missing.
    Truncated,
    /// A bit is another one than was written.
    BitFlipped,
    /// It is not there any more: the one before it is older than the log.
    Missing,
}

/// A stored snapshot.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Where it stands in the log.
    pub point: SnapshotPoint,
    /// What was written.
    pub image: Vec<u8>,
    /// What is wrong with it.
    pub flaw: Option<Flaw>,
}

/// All that are kept, oldest first.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Vec<Saved>);

impl Snapshots {
    pub(super) fn save(&mut self, saved: Saved) {
        self.0.retain(|known| known.point.index != saved.point.index);
        self.0.push(saved);
        self.0.sort_by_key(|saved| saved.point.index);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    pub(super) fn at(&self, index: u64) -> Option<&Saved> {
        self.0.iter().find(|saved| saved.point.index == index && saved.flaw.is_none())
    }

    pub(super) fn newest(&self) -> Option<&Saved> {
        self.0.last()
    }

    pub(super) fn newest_whole(&self) -> Option<&Saved> {
        self.0.iter().rev().find(|saved| saved.flaw.is_none())
    }

    pub(super) fn spoil(&mut self, flaw: Flaw) -> bool {
        if flaw == Flaw::Missing {
            return self.0.pop().is_some();
        }
        let Some(newest) = self.0.last_mut() else { return false };
        newest.flaw = Some(flaw);
        true
    }

    /// Tells how many were damaged: recovery never looks at them again.
    pub(super) fn put_damaged_aside(&mut self) -> usize {
        let before = self.0.len();
        self.0.retain(|saved| saved.flaw.is_none());
        before - self.0.len()
    }
}
