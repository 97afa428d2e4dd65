//! Asking history: lists with filters and cursors.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, params_from_iter};
use tidegate_scheduler::event::{Ending, Event};
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::time::WallMicros;

use super::rows::{self, AttemptRow, RunRow, ending_name};
use super::{History, HistoryError};

/// The most rows that one page has, whatever was asked for.
pub(super) const PAGE: u32 = 1000;

/// Which runs to list; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// The workspace.
    pub workspace: Option<String>,
    /// The experiment.
    pub experiment: Option<String>,
    /// The pool.
    pub pool: Option<String>,
    /// What its name or its display name contains, whatever the case of ASCII letters.
    pub text: Option<String>,
    /// Whether it still goes on (`Some(None)`), or how it ended.
    pub ending: Option<Option<Ending>>,
    /// A tag that it has, and the tag's value if that matters.
    pub tag: Option<(String, Option<String>)>,
    /// Accepted at this moment or later.
    pub submitted_from: Option<WallMicros>,
    /// Accepted before this moment.
    pub submitted_before: Option<WallMicros>,
}

/// Which events to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFilter {
    /// All.
    All,
    /// Those of one run.
    Run(RunId),
    /// Those of one node.
    Node(NodeId),
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// Where the next part begins, if there is one.
    pub next: Option<Cursor>,
}

/// A place in a list, to go on from; it stays right while rows come and go. Opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(super) u64, pub(super) u64);

/// Text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; give the one that came with the previous page, or none to begin anew")]
pub struct NotACursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{:x}", self.0, self.1)
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let number = |part| u64::from_str_radix(part, 16).ok().filter(|number| *number <= i64::MAX as u64);
        let (first, second) = text.split_once('.').ok_or(NotACursor)?;
        number(first).zip(number(second)).map(|(first, second)| Self(first, second)).ok_or(NotACursor)
    }
}

/// The conditions of a query and what they compare with.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// What stands for `value` in a condition.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn add(&mut self, condition: &str) {
        self.text.push_str(if self.text.is_empty() { "WHERE " } else { " AND " });
        self.text.push_str(condition);
    }

    /// Adds `left value`, as in `r.run < 7`.
    fn compare(&mut self, left: &str, value: impl Into<Value>) {
        let value = self.value(value);
        self.add(&format!("{left} {value}"));
    }
}

fn conditions(filter: &RunFilter) -> Conditions {
    let mut conditions = Conditions::default();
    for (column, wanted) in
        [("workspace", &filter.workspace), ("experiment", &filter.experiment), ("pool", &filter.pool)]
    {
        if let Some(wanted) = wanted {
            conditions.compare(&format!("r.{column} ="), wanted.clone());
        }
    }
    if let Some(text) = &filter.text {
        let text = conditions.value(text.to_ascii_lowercase());
        conditions.add(&format!("(instr(lower(r.name), {text}) OR instr(lower(r.display_name), {text}))"));
    }
    match filter.ending {
        None => {}
        Some(None) => conditions.add("r.ending IS NULL"),
        Some(Some(ending)) => conditions.compare("r.ending =", ending_name(ending).to_owned()),
    }
    if let Some((key, value)) = &filter.tag {
        let key = conditions.value(key.clone());
        let value = value.as_ref().map(|value| conditions.value(value.clone()));
        let value = value.map_or(String::new(), |value| format!(" AND value = {value}"));
        conditions.add(&format!("r.run IN (SELECT run FROM tags WHERE key = {key}{value})"));
    }
    if let Some(from) = filter.submitted_from {
        conditions.compare("r.submitted >=", integer(from.0));
    }
    if let Some(before) = filter.submitted_before {
        conditions.compare("r.submitted <", integer(before.0));
    }
    conditions
}

pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl History {
    /// Runs, the newest first: those after `cursor`, at most `limit` (and never more than 1000).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn runs(
        &self,
        filter: &RunFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<RunRow>, HistoryError> {
        let mut conditions = conditions(filter);
        if let Some(Cursor(run, _)) = cursor {
            conditions.compare("r.run <", integer(run));
        }
        let limit = limit.clamp(1, PAGE);
        let query = format!(
            "SELECT {} FROM {} {} ORDER BY r.run DESC LIMIT {}",
            rows::RUN_COLUMNS,
            rows::RUN_TABLES,
            conditions.text,
            limit + 1
        );
        let items: Vec<RunRow> = self.inner.readers.read(|db| {
            db.prepare_cached(&query)?.query_map(params_from_iter(&conditions.values), rows::run)?.collect()
        })?;
        Ok(page(items, limit, |row| Cursor(row.run.0, 0)))
    }

    /// One run.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, HistoryError> {
        self.one_run("r.run = ?1", vec![integer(run.0).into()])
    }

    /// The run with this name in this workspace.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn find_run(&self, workspace: &str, name: &str) -> Result<Option<RunRow>, HistoryError> {
        let values = vec![workspace.to_owned().into(), name.to_owned().into()];
        self.one_run("r.workspace = ?1 AND r.name = ?2 ORDER BY r.run DESC LIMIT 1", values)
    }

    fn one_run(&self, condition: &str, values: Vec<Value>) -> Result<Option<RunRow>, HistoryError> {
        let query = format!("SELECT {} FROM {} WHERE {condition}", rows::RUN_COLUMNS, rows::RUN_TABLES);
        Ok(self.inner.readers.read(|db| {
            db.prepare_cached(&query)?.query_row(params_from_iter(values), rows::run).optional()
        })?)
    }

    /// A run's specification as it was submitted.
    ///
    /// # Errors
    /// When the database or the blob store cannot be read.
    pub fn body(&self, run: RunId) -> Result<Option<Vec<u8>>, HistoryError> {
        let Some(row) = self.run(run)? else { return Ok(None) };
        Ok(self.inner.blobs.get(&row.submit.digest.into())?)
    }

    /// A run's tags, by key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tags(&self, run: RunId) -> Result<Vec<(String, Option<String>)>, HistoryError> {
        Ok(self.inner.readers.read(|db| {
            db.prepare_cached("SELECT key, value FROM tags WHERE run = ?1 ORDER BY key")?
                .query_map([run.0], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?)
    }

    /// The tries of one element, the first one first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn attempts(&self, slot: Slot) -> Result<Vec<AttemptRow>, HistoryError> {
        let query = format!(
            "SELECT {} FROM attempts WHERE run = ?1 AND element = ?2 ORDER BY fence",
            rows::ATTEMPT_COLUMNS
        );
        Ok(self.inner.readers.read(|db| {
            db.prepare_cached(&query)?.query_map((slot.run.0, slot.element), rows::attempt)?.collect()
        })?)
    }

    /// One attempt.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn attempt(&self, fence: Fence) -> Result<Option<AttemptRow>, HistoryError> {
        let query = format!("SELECT {} FROM attempts WHERE fence = ?1", rows::ATTEMPT_COLUMNS);
        Ok(self
            .inner
            .readers
            .read(|db| db.prepare_cached(&query)?.query_row([fence.0], rows::attempt).optional())?)
    }

    /// Events, the newest first: those after `cursor`, at most `limit`. Submissions, attempts and ends are
    /// told by their own rows, not here.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn events(
        &self,
        filter: EventFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Page<Event>, HistoryError> {
        let mut conditions = Conditions::default();
        match filter {
            EventFilter::All => {}
            EventFilter::Run(run) => conditions.compare("run =", integer(run.0)),
            EventFilter::Node(node) => conditions.compare("node =", integer(node.0)),
        }
        if let Some(Cursor(index, position)) = cursor {
            let (index, position) = (conditions.value(integer(index)), conditions.value(integer(position)));
            conditions.add(&format!("(log_index, position) < ({index}, {position})"));
        }
        let limit = limit.clamp(1, PAGE);
        let query = format!(
            "SELECT {} FROM events {} ORDER BY log_index DESC, position DESC LIMIT {}",
            rows::EVENT_COLUMNS,
            conditions.text,
            limit + 1
        );
        let found: Vec<(u64, Event)> = self.inner.readers.read(|db| {
            db.prepare_cached(&query)?.query_map(params_from_iter(&conditions.values), rows::event)?.collect()
        })?;
        let found = page(found, limit, |(position, event)| Cursor(event.index, *position));
        Ok(Page { items: found.items.into_iter().map(|(_, event)| event).collect(), next: found.next })
    }
}

/// Of one row more than `limit`, a page and where the next one begins.
pub(super) fn page<T>(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(cursor);
    Page { items, next }
}
