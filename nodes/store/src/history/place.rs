//! Places in the log.

use serde::{Deserialize, Serialize};

/// A place in the log: how many events of an entry lie before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) index: u64,
    pub(super) events: u64,
}

/// The database keeps numbers up to this.
const ALL: u64 = i64::MAX as u64;

impl Place {
    /// The place after one more event, of the entry `index`.
    pub(super) fn next(self, index: u64) -> Self {
        let before = if index == self.index { self.events } else { 0 };
        Self { index, events: before + 1 }
    }

    /// The place after the entry `index`, however many events it has.
    pub(super) fn whole(index: u64) -> Self {
        Self { index, events: ALL }
    }
}
