//! What history tells of runs, elements and attempts.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Row, ToSql};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_scheduler::command::Submit;
use tidegate_scheduler::event::{Ending, Event};
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::message::Report;
use tidegate_scheduler::time::WallMicros;

/// A run or an array of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its number.
    pub run: RunId,
    /// The log entry that accepted it.
    pub index: u64,
    /// The pool it was queued for.
    pub pool: String,
    /// What was submitted; `body` is empty here, see [`History::body`](super::History::body).
    pub submit: Submit,
    /// The name that people see, if it has one of its own.
    pub display_name: Option<String>,
    /// When it was accepted.
    pub submitted: WallMicros,
    /// When its first command started, as far as attempts have ended.
    pub started: Option<WallMicros>,
    /// When its last element ended.
    pub ended: Option<WallMicros>,
    /// Its last state; absent while it goes on.
    pub ending: Option<Ending>,
    /// Somebody asked for all of it to end.
    pub cancel_requested: bool,
    /// Elements that ended well.
    pub completed: u32,
    /// Elements that failed.
    pub failed: u32,
    /// Elements that somebody ended.
    pub canceled: u32,
    /// What the accepted attempt of its only element said; absent for arrays.
    pub report: Option<Report>,
    /// Why its only element ended without an attempt's result; absent for arrays.
    pub reason: Option<String>,
}

/// An element that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementRow {
    /// Its number, from 0.
    pub element: u32,
    /// The log entry that ended it.
    pub index: u64,
    /// When that was.
    pub ended: WallMicros,
    /// Its last state.
    pub ending: Ending,
    /// The attempt that is its result, if one is.
    pub fence: Option<Fence>,
    /// Why it failed without an attempt's result.
    pub reason: Option<String>,
}

/// One try of one element.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    /// Its fencing number.
    pub fence: Fence,
    /// The log entry that placed it.
    pub index: u64,
    /// The element.
    pub slot: Slot,
    /// Which try, from 1.
    pub attempt: u32,
    /// The node it was placed on.
    pub node: NodeId,
    /// When it was placed.
    pub placed: WallMicros,
    /// When its end was accepted; absent while it goes on.
    pub ended: Option<WallMicros>,
    /// Why it is not its element's result.
    pub reason: Option<String>,
    /// What its worker said at the end.
    pub report: Option<Report>,
}

impl AttemptRow {
    /// Whether it is its element's result.
    pub fn accepted(&self) -> bool {
        self.ended.is_some() && self.reason.is_none()
    }
}

/// The columns of [`run`], of `runs` as `r` with its only element `e` and that one's attempt `a`.
pub(super) const RUN_COLUMNS: &str = "r.run, r.log_index, r.pool, r.submit, r.display_name, r.submitted, \
     r.started, r.ended, r.ending, r.cancel_requested, r.completed, r.failed, r.canceled, a.report, e.reason";

/// Where [`RUN_COLUMNS`] come from.
pub(super) const RUN_TABLES: &str = "runs r \
     LEFT JOIN elements e ON r.elements = 1 AND e.run = r.run AND e.element = 0 \
     LEFT JOIN attempts a ON a.fence = e.fence";

pub(super) fn run(row: &Row<'_>) -> rusqlite::Result<RunRow> {
    Ok(RunRow {
        run: RunId(row.get(0)?),
        index: row.get(1)?,
        pool: row.get(2)?,
        submit: unpack(row, 3)?,
        display_name: row.get(4)?,
        submitted: WallMicros(row.get(5)?),
        started: row.get::<_, Option<u64>>(6)?.map(WallMicros),
        ended: row.get::<_, Option<u64>>(7)?.map(WallMicros),
        ending: row.get::<_, Option<String>>(8)?.map(|name| ending(&name, 8)).transpose()?,
        cancel_requested: row.get(9)?,
        completed: row.get(10)?,
        failed: row.get(11)?,
        canceled: row.get(12)?,
        report: unpack_maybe(row, 13)?,
        reason: row.get(14)?,
    })
}

/// The columns of [`element`].
pub(super) const ELEMENT_COLUMNS: &str = "element, log_index, ended, ending, fence, reason";

pub(super) fn element(row: &Row<'_>) -> rusqlite::Result<ElementRow> {
    Ok(ElementRow {
        element: row.get(0)?,
        index: row.get(1)?,
        ended: WallMicros(row.get(2)?),
        ending: ending(&row.get::<_, String>(3)?, 3)?,
        fence: row.get::<_, Option<u64>>(4)?.map(Fence),
        reason: row.get(5)?,
    })
}

/// The columns of [`attempt`].
pub(super) const ATTEMPT_COLUMNS: &str =
    "fence, log_index, run, element, attempt, node, placed, ended, reason, report";

pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<AttemptRow> {
    Ok(AttemptRow {
        fence: Fence(row.get(0)?),
        index: row.get(1)?,
        slot: Slot { run: RunId(row.get(2)?), element: row.get(3)? },
        attempt: row.get(4)?,
        node: NodeId(row.get(5)?),
        placed: WallMicros(row.get(6)?),
        ended: row.get::<_, Option<u64>>(7)?.map(WallMicros),
        reason: row.get(8)?,
        report: unpack_maybe(row, 9)?,
    })
}

/// The columns of [`event`].
pub(super) const EVENT_COLUMNS: &str = "log_index, position, wall, what";

/// An event, and which of its entry it is.
pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<(u64, Event)> {
    let event = Event { index: row.get(0)?, wall: WallMicros(row.get(2)?), what: unpack(row, 3)? };
    Ok((row.get(1)?, event))
}

pub(super) fn ending_name(ending: Ending) -> &'static str {
    match ending {
        Ending::Completed => "Completed",
        Ending::Failed => "Failed",
        Ending::Canceled => "Canceled",
    }
}

fn ending(name: &str, column: usize) -> rusqlite::Result<Ending> {
    let known = [Ending::Completed, Ending::Failed, Ending::Canceled];
    known.into_iter().find(|ending| ending_name(*ending) == name).ok_or_else(|| {
        let unknown = FromSqlError::Other(format!("`{name}` is no ending").into());
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(unknown))
    })
}

/// A value of the scheduler's as a column: with names, so that it may grow.
pub(super) fn pack<T: Serialize>(value: &T) -> rusqlite::Result<impl ToSql + use<T>> {
    rmp_serde::to_vec_named(value).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
}

fn unpack<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    read_packed(row.get_ref(column)?.as_blob()?, column)
}

fn unpack_maybe<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    row.get_ref(column)?.as_blob_or_null()?.map(|bytes| read_packed(bytes, column)).transpose()
}

fn read_packed<T: DeserializeOwned>(bytes: &[u8], column: usize) -> rusqlite::Result<T> {
    rmp_serde::from_slice(bytes)
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, Box::new(e)))
}
