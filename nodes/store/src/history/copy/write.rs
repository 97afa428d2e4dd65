//! From what came to rows.

use rusqlite::{Connection, params_from_iter};

use super::cell::Cell;
use super::piece::CopyError;
use super::tables::{Change, Column, GONE, Kind, RUNS, TABLES};
use crate::history::gone::{self, Gone};

/// Reads the changes of a piece and checks that the tables can hold them.
pub(super) fn decode_changes(bytes: &[u8]) -> Result<Vec<Change>, CopyError> {
    let mut changes = Vec::new();
    let mut left = bytes;
    while !left.is_empty() {
        let change: Change =
            rmp_serde::from_read(&mut left).map_err(|e| CopyError::Unreadable(e.to_string()))?;
        check(&change).map_err(CopyError::Unreadable)?;
        changes.push(change);
    }
    Ok(changes)
}

fn check(change: &Change) -> Result<(), String> {
    let table = TABLES.get(usize::from(change.table)).ok_or("a row is of no table that travels")?;
    if change.cells.len() != table.columns.len() {
        return Err(format!("a row of `{}` has {} columns", table.name, change.cells.len()));
    }
    for (cell, Column(name, kind, may_be_null)) in change.cells.iter().zip(table.columns) {
        let fits = match cell {
            Cell::Null => *may_be_null,
            Cell::Integer(_) => *kind == Kind::Integer,
            Cell::Text(_) => *kind == Kind::Text,
            Cell::Bytes(_) => *kind == Kind::Bytes,
        };
        if !fits {
            return Err(format!("column `{name}` of `{}` holds something else", table.name));
        }
    }
    if change.table == GONE && note_of(change).is_none() {
        return Err("a note of what is gone names no element".to_owned());
    }
    Ok(())
}

/// The entry, the run and what is gone.
fn note_of(change: &Change) -> Option<(i64, i64, Gone)> {
    match change.cells[..] {
        [Cell::Integer(index), Cell::Integer(run), Cell::Integer(element)] => {
            Some((index, run, Gone::of_column(element)?))
        }
        _ => None,
    }
}

/// Removes every row, to begin anew.
pub(super) fn clear(db: &Connection) -> rusqlite::Result<()> {
    TABLES.iter().map(|table| table.name).chain(["tags"]).try_for_each(|table| {
        db.execute(&format!("DELETE FROM {table}"), [])?;
        Ok(())
    })
}

/// Writes changes, in order.
pub(super) fn write_changes(db: &Connection, changes: &[Change]) -> rusqlite::Result<()> {
    let mut inserts =
        TABLES.iter().map(|table| db.prepare_cached(&table.insert())).collect::<Result<Vec<_>, _>>()?;
    let mut untag = db.prepare_cached("DELETE FROM tags WHERE run = ?1")?;
    let mut tag = db.prepare_cached("INSERT OR REPLACE INTO tags (run, key, value) VALUES (?1, ?2, ?3)")?;
    for change in changes {
        if let (GONE, Some((index, run, gone))) = (change.table, note_of(change)) {
            gone::again(db, index, run, gone)?;
        }
        inserts[usize::from(change.table)].execute(params_from_iter(&change.cells))?;
        if change.table == RUNS {
            let run = &change.cells[0];
            untag.execute([run])?;
            for (key, value) in &change.tags {
                tag.execute((run, key, value))?;
            }
        }
    }
    Ok(())
}
