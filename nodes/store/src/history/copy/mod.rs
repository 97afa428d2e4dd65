//! Copying history from one controller to another: what changed since the place that the other has come to.
//!
//! Every row names the entry that last changed it, and what was removed leaves a note. The sender gives rows
//! and notes in the order of these entries, piece by piece, each read at one moment; what it writes meanwhile
//! comes later in that order, so nothing is missed and the copy ends when a piece takes all there is. In
//! between the receiver holds a mixture, and knows that it is behind.

mod cell;
mod cursor;
mod piece;
mod tables;
mod write;

use rusqlite::{Connection, TransactionBehavior};

use super::gap::{self, Standing};
use super::place::Place;
use super::{History, HistoryError};
use crate::StoreError;
pub use cursor::CopyCursor;
use cursor::Position;
pub use piece::{CopyError, CopyPiece, MAX_PIECE_BYTES};

/// Where a piece begins.
struct Start {
    at: Position,
    base: u64,
    anew: bool,
}

impl History {
    /// The next part of what a peer lacks whose history has come as far as `cursor` says. `complete` is an entry
    /// of which, and of all before, this history holds every event: the one that the state had come to before
    /// history was last settled.
    ///
    /// # Errors
    /// [`HistoryError::Behind`] when this history cannot give it: it lacks events itself, or has not come as far
    /// as one that the peer copied from before. Or when the database cannot be read.
    pub fn export(&self, cursor: &CopyCursor, complete: u64) -> Result<CopyPiece, HistoryError> {
        self.mark(complete)?;
        self.export_up_to(cursor, piece::FULL)
    }

    /// As [`export`](Self::export), in pieces that are closed at `full` bytes.
    pub(super) fn export_up_to(&self, cursor: &CopyCursor, full: usize) -> Result<CopyPiece, HistoryError> {
        self.inner.readers.read(|db| {
            let moment = db.unchecked_transaction()?;
            let standing = Standing::read(&moment)?;
            let applied = standing.applied;
            if standing.needs.is_some() || standing.copy.is_some() || applied < cursor.seen {
                let needs = standing.needs.unwrap_or(cursor.seen.index);
                return Ok(Err(HistoryError::Behind { applied: applied.index, needs }));
            }
            Ok(Ok(read_piece(&moment, cursor, &start(cursor, &standing), applied, full)?))
        })?
    }

    /// Where a copy into this history is to begin, or to go on after it was broken off.
    pub fn copy_cursor(&self) -> CopyCursor {
        let writer = self.writer();
        writer.copy.unwrap_or_else(|| CopyCursor::from(writer.applied))
    }

    /// Takes the next part of a copy, whole or not at all. The first one makes history
    /// [behind](Self::is_behind), the last one ends that unless still more is needed. A piece that is there
    /// already changes nothing. Blobs do not travel with it: see [`missing_blobs`](Self::missing_blobs).
    ///
    /// # Errors
    /// [`HistoryError::Copy`] for a piece that does not belong here or is damaged, or a failure to write; ask
    /// again from [`copy_cursor`](Self::copy_cursor).
    pub fn import(&self, piece: &CopyPiece) -> Result<(), HistoryError> {
        let changes = write::decode_changes(&piece.changes)?;
        let mut writer = self.writer();
        let expected = writer.copy.unwrap_or_else(|| CopyCursor::from(writer.applied));
        if piece.from != expected {
            return if piece.next == expected { Ok(()) } else { Err(CopyError::OutOfPlace.into()) };
        }
        let needs = match piece.reached {
            Some(place) => writer.needs.filter(|needs| place < Place::whole(*needs)),
            None => writer.needs,
        };
        let copy = if piece.is_last() { None } else { Some(piece.next) };
        let applied = piece.reached.unwrap_or(writer.applied);
        let path = self.inner.readers.path();
        let packed = copy.as_ref().map(rmp_serde::to_vec).transpose();
        let packed = packed.map_err(|e| CopyError::Unreadable(e.to_string()))?;
        let write = || -> rusqlite::Result<()> {
            let transaction = writer.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if piece.anew {
                write::clear(&transaction)?;
                transaction.execute("UPDATE applied SET floor = ?1", [piece.next.base])?;
            }
            write::write_changes(&transaction, &changes)?;
            gap::write_place(&transaction, applied)?;
            transaction.execute("UPDATE applied SET needs = ?1, copy = ?2", (needs, packed))?;
            transaction.commit()
        };
        write().map_err(|e| StoreError::database(path, e))?;
        (writer.applied, writer.needs, writer.copy) = (applied, needs, copy);
        self.tell(&writer);
        Ok(())
    }
}

fn start(cursor: &CopyCursor, standing: &Standing) -> Start {
    let applied = standing.applied;
    if standing.floor > cursor.base {
        // Of the entry that this history has come to more may go yet.
        let base = applied.index.saturating_sub(1).max(standing.floor);
        return Start { at: Position::before(0), base, anew: true };
    }
    // The entry in which the last piece ended was perhaps not there whole: what changed in it comes again.
    let reached = u64::try_from(cursor.at.changed).unwrap_or(0);
    let torn = reached == cursor.seen.index && applied != cursor.seen;
    let at = if torn { Position::before(reached) } else { cursor.at };
    Start { at, base: cursor.base, anew: false }
}

fn read_piece(
    db: &Connection,
    cursor: &CopyCursor,
    start: &Start,
    applied: Place,
    full: usize,
) -> rusqlite::Result<CopyPiece> {
    let mut changes = Vec::new();
    let mut last = start.at;
    let mut failed = None;
    let whole = tables::read_changes(db, start.at, start.base, |at, change| {
        let before = changes.len();
        if let Err(error) = rmp_serde::encode::write(&mut changes, &change) {
            failed = Some(error);
            return false;
        }
        // A row that alone is larger goes alone.
        if changes.len() > full && before > 0 {
            changes.truncate(before);
            return false;
        }
        last = at;
        true
    })?;
    if let Some(error) = failed {
        return Err(rusqlite::Error::ToSqlConversionFailure(Box::new(error)));
    }
    let reached = whole.then_some(applied);
    let next = match reached {
        Some(place) => CopyCursor::from(place),
        None => CopyCursor { base: start.base, at: last, seen: applied },
    };
    Ok(CopyPiece { from: *cursor, anew: start.anew, changes, reached, next })
}

/// The queries that find what changed.
#[cfg(test)]
pub(super) fn queries() -> impl Iterator<Item = String> {
    tables::TABLES.iter().map(tables::Table::select)
}
