//! The ended elements of a run. Those that were cancelled together are one row of the database, and are told
//! one by one here.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{RunId, Slot};
use tidegate_scheduler::time::WallMicros;

use super::query::{Cursor, PAGE, Page, integer, page};
use super::rows::{self, ElementRow, ending_name};
use super::{History, HistoryError};

impl History {
    /// One element, if it has ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn element(&self, slot: Slot) -> Result<Option<ElementRow>, HistoryError> {
        let one = format!("SELECT {} FROM elements WHERE run = ?1 AND element = ?2", rows::ELEMENT_COLUMNS);
        Ok(self.inner.readers.read(|db| {
            let found =
                db.prepare_cached(&one)?.query_row((slot.run.0, slot.element), rows::element).optional()?;
            match found {
                Some(row) => Ok(Some(row)),
                None => Ok(canceled_together(db, slot.run, slot.element, 1)?
                    .into_iter()
                    .find(|row| row.element == slot.element)),
            }
        })?)
    }

    /// The elements of a run that have ended, in order: those after `cursor`, at most `limit` (and never more
    /// than 1000), with one ending or with any.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn elements(
        &self,
        run: RunId,
        ending: Option<Ending>,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<ElementRow>, HistoryError> {
        let limit = limit.clamp(1, PAGE);
        let from = cursor.map_or(0, |Cursor(element, _)| element.saturating_add(1));
        let query = format!(
            "SELECT {} FROM elements WHERE run = ?1 AND element >= ?2 AND (?3 IS NULL OR ending = ?3)
             ORDER BY element LIMIT ?4",
            rows::ELEMENT_COLUMNS
        );
        let values = (run.0, integer(from), ending.map(ending_name), limit + 1);
        let together = ending.is_none_or(|ending| ending == Ending::Canceled);
        // Both kinds from one moment: the rows of one transaction.
        let items = self.inner.readers.read(|db| {
            let moment = db.unchecked_transaction()?;
            let mut items: Vec<ElementRow> =
                moment.prepare_cached(&query)?.query_map(values, rows::element)?.collect::<Result<_, _>>()?;
            if let (true, Ok(from)) = (together, u32::try_from(from)) {
                items.extend(canceled_together(&moment, run, from, limit as usize + 1)?);
                items.sort_unstable_by_key(|row| row.element);
                items.truncate(limit as usize + 1);
            }
            Ok(items)
        })?;
        Ok(page(items, limit, |row| Cursor(u64::from(row.element), 0)))
    }
}

/// Up to `most` elements from `from` on that were cancelled together and have no row of their own.
fn canceled_together(
    db: &Connection,
    run: RunId,
    from: u32,
    most: usize,
) -> rusqlite::Result<Vec<ElementRow>> {
    let mut ranges = db.prepare_cached(
        "SELECT first, past, log_index, ended FROM canceled WHERE run = ?1 AND past > ?2 ORDER BY first",
    )?;
    let mut own =
        db.prepare_cached("SELECT element FROM elements WHERE run = ?1 AND element >= ?2 AND element < ?3")?;
    let mut found = Vec::new();
    let mut ranges = ranges.query((run.0, from))?;
    while let Some(range) = ranges.next()? {
        let (first, past): (u32, u32) = (range.get(0)?, range.get(1)?);
        let (index, ended) = (range.get(2)?, WallMicros(range.get(3)?));
        let mut first = first.max(from);
        while first < past && found.len() < most {
            let window = past.min(first.saturating_add(PAGE));
            let own: BTreeSet<u32> =
                own.query_map((run.0, first, window), |row| row.get(0))?.collect::<Result<_, _>>()?;
            let elements = (first..window).filter(|element| !own.contains(element));
            found.extend(elements.take(most - found.len()).map(|element| ElementRow {
                element,
                index,
                ended,
                ending: Ending::Canceled,
                fence: None,
                reason: None,
            }));
            first = window;
        }
    }
    Ok(found)
}
