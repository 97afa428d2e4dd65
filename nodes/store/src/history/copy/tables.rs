//! Which rows travel, and in which order they are read.

use rusqlite::{Connection, Row, Rows};
use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::cursor::Position;

/// A table whose rows travel.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The entry that last changed a row, and the row's key.
    order: &'static [&'static str],
    pub(super) columns: &'static [Column],
}

/// A column, what it holds, and whether it may be NULL.
pub(super) struct Column(pub(super) &'static str, pub(super) Kind, pub(super) bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    Bytes,
}

use Kind::{Bytes, Integer, Text};

/// The place of [`GONE`] and [`RUNS`] in [`TABLES`].
pub(super) const GONE: u8 = 0;
pub(super) const RUNS: u8 = 1;

/// In the order in which the rows that one entry changed travel: first what is gone.
pub(super) const TABLES: [Table; 6] = [
    Table {
        name: "gone",
        order: &["changed", "run", "element"],
        columns: &[
            Column("changed", Integer, false),
            Column("run", Integer, false),
            Column("element", Integer, false),
        ],
    },
    Table {
        name: "runs",
        order: &["changed", "run"],
        columns: &[
            Column("run", Integer, false),
            Column("log_index", Integer, false),
            Column("workspace", Text, false),
            Column("name", Text, false),
            Column("experiment", Text, false),
            Column("pool", Text, false),
            Column("display_name", Text, true),
            Column("elements", Integer, false),
            Column("submit", Bytes, false),
            Column("submitted", Integer, false),
            Column("started", Integer, true),
            Column("ended", Integer, true),
            Column("ending", Text, true),
            Column("cancel_requested", Integer, false),
            Column("completed", Integer, false),
            Column("failed", Integer, false),
            Column("canceled", Integer, false),
            Column("changed", Integer, false),
        ],
    },
    Table {
        name: "attempts",
        order: &["changed", "fence"],
        columns: &[
            Column("fence", Integer, false),
            Column("log_index", Integer, false),
            Column("run", Integer, false),
            Column("element", Integer, false),
            Column("attempt", Integer, false),
            Column("node", Integer, false),
            Column("placed", Integer, false),
            Column("ended", Integer, true),
            Column("reason", Text, true),
            Column("report", Bytes, true),
            Column("changed", Integer, false),
        ],
    },
    Table {
        name: "elements",
        order: &["log_index", "run", "element"],
        columns: &[
            Column("run", Integer, false),
            Column("element", Integer, false),
            Column("log_index", Integer, false),
            Column("ended", Integer, false),
            Column("ending", Text, false),
            Column("fence", Integer, true),
            Column("reason", Text, true),
        ],
    },
    Table {
        name: "canceled",
        order: &["changed", "run", "first"],
        columns: &[
            Column("run", Integer, false),
            Column("first", Integer, false),
            Column("past", Integer, false),
            Column("log_index", Integer, false),
            Column("ended", Integer, false),
            Column("changed", Integer, false),
        ],
    },
    Table {
        name: "events",
        order: &["log_index", "position"],
        columns: &[
            Column("log_index", Integer, false),
            Column("position", Integer, false),
            Column("wall", Integer, false),
            Column("run", Integer, true),
            Column("node", Integer, true),
            Column("what", Bytes, false),
        ],
    },
];

impl Table {
    fn names(&self) -> String {
        self.columns.iter().map(|Column(name, ..)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Reads the rows after the position `?1, ?2, ?3`, in order: the position, then the columns.
    pub(super) fn select(&self) -> String {
        let order = self.order.join(", ");
        // A key of one column counts as one whose second is 0.
        let position = if self.order.len() == 2 { format!("{order}, 0") } else { order.clone() };
        format!(
            "SELECT {position}, {} FROM {} WHERE ({position}) > (?1, ?2, ?3) ORDER BY {order}",
            self.names(),
            self.name
        )
    }

    /// Writes a row, in the place of the one with its key.
    pub(super) fn insert(&self) -> String {
        let values: Vec<String> = (1..=self.columns.len()).map(|number| format!("?{number}")).collect();
        format!("INSERT OR REPLACE INTO {} ({}) VALUES ({})", self.name, self.names(), values.join(", "))
    }
}

/// A row that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    /// Which of [`TABLES`] it is of.
    pub(super) table: u8,
    /// Its columns.
    pub(super) cells: Vec<Cell>,
    /// A run's tags.
    pub(super) tags: Vec<(String, Option<String>)>,
}

/// Visits what changed after `from`, in order, until `visit` says to stop; of what is gone only the notes from
/// the entry `base` on. Says whether all was visited.
pub(super) fn read_changes(
    db: &Connection,
    from: Position,
    base: u64,
    mut visit: impl FnMut(Position, Change) -> bool,
) -> rusqlite::Result<bool> {
    let mut statements =
        TABLES.iter().map(|table| db.prepare_cached(&table.select())).collect::<Result<Vec<_>, _>>()?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for (table, statement) in (0_u8..).zip(&mut statements) {
        let mut after = from.in_table(table);
        if table == GONE {
            after = after.max((i64::try_from(base).unwrap_or(i64::MAX), i64::MIN, i64::MIN));
        }
        let mut rows = statement.query(after)?;
        let head = next(&mut rows, table)?;
        tables.push((rows, head));
    }
    let mut tags = db.prepare_cached("SELECT key, value FROM tags WHERE run = ?1 ORDER BY key")?;
    // The table whose next row comes first.
    while let Some((rows, head)) = tables
        .iter_mut()
        .filter(|(_, head)| head.is_some())
        .min_by_key(|(_, head)| head.as_ref().map(|(at, _)| *at))
        && let Some((at, mut change)) = head.take()
    {
        if change.table == RUNS {
            change.tags = tags
                .query_map([&change.cells[0]], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
        }
        *head = next(rows, change.table)?;
        if !visit(at, change) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn next(rows: &mut Rows<'_>, table: u8) -> rusqlite::Result<Option<(Position, Change)>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    let at = Position { changed: row.get(0)?, table, key: (row.get(1)?, row.get(2)?) };
    let cells = (3..3 + TABLES[usize::from(table)].columns.len()).map(|column| cell(row, column));
    Ok(Some((at, Change { table, cells: cells.collect::<Result<_, _>>()?, tags: Vec::new() })))
}

fn cell(row: &Row<'_>, column: usize) -> rusqlite::Result<Cell> {
    Cell::of(row.get_ref(column)?)
}
