//! Whether a range of the log is missing here, and until when.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::{Acquire, Release};

use rusqlite::Connection;

use super::copy::CopyCursor;
use super::place::Place;
use super::{History, HistoryError, Writer};
use crate::StoreError;

impl History {
    /// Says that the state has come to the entry `needs` by other means than events (a snapshot from a peer, or
    /// one found at start). Where events up to there are missing, history is behind from now on, also after a
    /// restart: [`apply`](Self::apply) refuses, and what is missing must be [imported](Self::import). Saying
    /// more raises the place that is needed, so a caller that cannot keep later events any longer may drop them
    /// and say the last one's entry here. Gives whether history is behind.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn set_gap(&self, needs: u64) -> Result<bool, HistoryError> {
        let mut writer = self.writer();
        if needs > 0 && writer.applied < Place::whole(needs) && writer.needs < Some(needs) {
            self.change(&writer, |db| {
                db.execute("UPDATE applied SET needs = ?1", [needs])?;
                Ok(())
            })?;
            writer.needs = Some(needs);
        }
        self.tell(&writer);
        Ok(writer.is_behind())
    }

    /// Whether events are missing that only a peer can give, or a copy from one is under way. Until that has
    /// ended, what this history tells is old or incomplete. Does not wait for writers.
    pub fn is_behind(&self) -> bool {
        self.inner.behind.load(Acquire)
    }

    /// The entry up to which events are missing, while they are.
    pub fn gap(&self) -> Option<u64> {
        self.writer().needs
    }

    /// Says that all events of entries up to `index` have been applied: entries without events leave no trace
    /// otherwise. To be said before a snapshot at `index` is saved or the log is truncated up to it, and never
    /// while such events wait outside: they would count as written.
    ///
    /// # Errors
    /// [`HistoryError::Behind`], or when the database cannot be written.
    pub fn mark(&self, index: u64) -> Result<(), HistoryError> {
        let mut writer = self.writer();
        writer.check_gap()?;
        self.reach(&mut writer, Place::whole(index))
    }

    /// Gives up what is missing up to the entry `index`, because nobody has it any more, and goes on from there.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn accept_loss(&self, index: u64) -> Result<(), HistoryError> {
        let mut writer = self.writer();
        self.change(&writer, |db| {
            db.execute("UPDATE applied SET needs = NULL, copy = NULL", [])?;
            Ok(())
        })?;
        (writer.needs, writer.copy) = (None, None);
        self.tell(&writer);
        self.reach(&mut writer, Place::whole(index))
    }

    pub(super) fn writer(&self) -> std::sync::MutexGuard<'_, Writer> {
        self.inner.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who do not wait for the writer whether it is behind.
    pub(super) fn tell(&self, writer: &Writer) {
        self.inner.behind.store(writer.is_behind(), Release);
    }

    fn reach(&self, writer: &mut Writer, place: Place) -> Result<(), HistoryError> {
        if place > writer.applied {
            self.change(writer, |db| write_place(db, place))?;
            writer.applied = place;
        }
        Ok(())
    }

    fn change<T>(
        &self,
        writer: &Writer,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        change(&writer.db).map_err(|e| StoreError::database(self.inner.readers.path(), e))
    }
}

impl Writer {
    pub(super) fn is_behind(&self) -> bool {
        self.needs.is_some() || self.copy.is_some()
    }

    pub(super) fn check_gap(&self) -> Result<(), HistoryError> {
        if self.is_behind() {
            let applied = self.applied.index;
            return Err(HistoryError::Behind { applied, needs: self.needs.unwrap_or(applied) });
        }
        Ok(())
    }
}

pub(super) fn write_place(db: &Connection, place: Place) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE applied SET log_index = ?1, events = ?2")?
        .execute((place.index, place.events))?;
    Ok(())
}

/// What the database says of itself.
pub(super) struct Standing {
    pub(super) applied: Place,
    pub(super) floor: u64,
    pub(super) needs: Option<u64>,
    pub(super) copy: Option<CopyCursor>,
}

impl Standing {
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Self> {
        db.prepare_cached("SELECT log_index, events, floor, needs, copy FROM applied")?.query_row([], |row| {
            let copy = row.get_ref(4)?.as_blob_or_null()?.map(CopyCursor::of_column).transpose()?;
            let applied = Place { index: row.get(0)?, events: row.get(1)? };
            Ok(Self { applied, floor: row.get(2)?, needs: row.get(3)?, copy })
        })
    }
}
