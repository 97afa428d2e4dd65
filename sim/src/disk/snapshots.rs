//! The snapshots on a disk: the newest two. Damage is done to their bytes; whether one is whole its checksum tells, as
//! in the real file.

use crate::random::Random;
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
    /// What can be read of it.
    pub image: Vec<u8>,
    /// The length and the checksum of what was written.
    len: usize,
    sum: u64,
}

/// A snapshot that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What can be read of it.
    pub image: Vec<u8>,
    /// Whether its end is missing.
    pub cut_short: bool,
}

impl Saved {
    /// A whole one.
    pub fn new(point: SnapshotPoint, image: Vec<u8>) -> Saved {
        Saved { len: image.len(), sum: checksum(&image), point, image }
    }

    /// Whether what can be read is what was written.
    pub fn is_whole(&self) -> bool {
        self.image.len() == self.len && checksum(&self.image) == self.sum
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
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
        self.0.iter().find(|saved| saved.point.index == index)
    }

    pub(super) fn newest(&self) -> Option<&Saved> {
        self.0.last()
    }

    pub(super) fn newest_whole(&self) -> Option<&Saved> {
        self.0.iter().rev().find(|saved| saved.is_whole())
    }

    pub(super) fn spoil(&mut self, flaw: Flaw, random: &mut Random) -> bool {
        if flaw == Flaw::Missing {
            return self.0.pop().is_some();
        }
        let Some(Saved { image, .. }) = self.0.last_mut().filter(|newest| !newest.image.is_empty()) else {
            return false;
        };
        let at = random.below(image.len() as u64) as usize;
        match flaw {
            Flaw::Truncated => image.truncate(at),
            Flaw::BitFlipped => image[at] ^= 1 << random.below(8),
            Flaw::Missing => {}
        }
        true
    }

    /// Those that are damaged, newest first: recovery never looks at them again.
    pub(super) fn put_damaged_aside(&mut self) -> Vec<Refused> {
        let (whole, damaged) = std::mem::take(&mut self.0).into_iter().partition(Saved::is_whole);
        self.0 = whole;
        let damaged: Vec<Saved> = damaged;
        let refused = |saved: Saved| Refused { cut_short: saved.image.len() < saved.len, image: saved.image };
        damaged.into_iter().rev().map(refused).collect()
    }
}
