//! How far a copy has come.

use rusqlite::types::{FromSqlError, FromSqlResult};
use serde::{Deserialize, Serialize};

use crate::history::place::Place;

/// How far a copy has come: what to ask the next peer for. Opaque; it means the same to every peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyCursor {
    /// Of what went after this entry, all notes are needed.
    pub(super) base: u64,
    /// The last change taken.
    pub(super) at: Position,
    /// The furthest place of any history that gave a part: no other than one as far can go on.
    pub(super) seen: Place,
}

/// Where in the order of changes a row stands: by the entry that last changed it, then by table, then by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) changed: i64,
    pub(super) table: u8,
    pub(super) key: (i64, i64),
}

impl Position {
    /// Before all that the entry `index` changed.
    pub(super) fn before(index: u64) -> Self {
        let changed = i64::try_from(index).unwrap_or(i64::MAX);
        Self { changed, table: 0, key: (i64::MIN, i64::MIN) }
    }

    /// The row of `table` after which its rows come after this position.
    pub(super) fn in_table(self, table: u8) -> (i64, i64, i64) {
        let (first, second) = match self.table.cmp(&table) {
            std::cmp::Ordering::Less => (i64::MIN, i64::MIN),
            std::cmp::Ordering::Equal => self.key,
            std::cmp::Ordering::Greater => (i64::MAX, i64::MAX),
        };
        (self.changed, first, second)
    }
}

impl CopyCursor {
    /// Of a copy into a history that has nothing.
    #[cfg(test)]
    pub(crate) fn start() -> Self {
        Self::from(Place::default())
    }

    /// Of a copy into a history that has come to `applied`. Of that entry some events may be missing, so what it
    /// changed comes once more.
    pub(in crate::history) fn from(applied: Place) -> Self {
        let base = applied.index.saturating_sub(1);
        Self { base, at: Position::before(applied.index), seen: applied }
    }

    pub(in crate::history) fn of_column(bytes: &[u8]) -> FromSqlResult<Self> {
        rmp_serde::from_slice(bytes).map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}
