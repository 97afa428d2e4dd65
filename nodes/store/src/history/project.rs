//! From one event to rows.
//!
//! A row that is there already is replaced: history must never refuse what the log says, or no controller
//! could start again.

use rusqlite::{Connection, OptionalExtension, params};
use tidegate_scheduler::command::Submit;
use tidegate_scheduler::event::{Ending, Event, What};
use tidegate_scheduler::ids::{Fence, NodeId, RunId, Slot};
use tidegate_scheduler::message::Report;

use super::body;
use super::gone::{self, Gone};
use super::query::integer;
use super::rows::{ending_name, pack};

type Done = rusqlite::Result<()>;

/// Writes one event, the `position`th of its entry.
pub(super) fn write(db: &Connection, position: u64, event: &Event) -> Done {
    let at = At { db, index: event.index, wall: event.wall.0, position };
    match &event.what {
        What::Submitted { run, pool, submit } => at.submitted(*run, pool, submit),
        What::Started { slot, fence, node, attempt } => at.started(*slot, *fence, *node, *attempt),
        What::Ended { slot, ending, report, node: _, attempt: _ } => at.ended(*slot, *ending, report),
        What::Requeued { slot, fence, reason, report } => {
            at.attempt_over(*slot, *fence, Some(reason), report.as_deref())
        }
        What::Canceled { run, from, to } => {
            at.canceled(*run, *from, *to)?;
            at.event(Some(*run), None, event)
        }
        What::Abandoned { slot, reason } => at.abandoned(*slot, reason),
        What::RunEnded { run, ending } => at.run_ended(*run, *ending),
        What::Retried { run, element } => {
            at.retried(*run, *element)?;
            at.event(Some(*run), None, event)
        }
        What::CancelRequested { run, element } => {
            if element.is_none() {
                at.db
                    .prepare_cached("UPDATE runs SET cancel_requested = 1, changed = ?2 WHERE run = ?1")?
                    .execute((run.0, at.index))?;
            }
            at.event(Some(*run), None, event)
        }
        What::PrerequisiteNotMet { run, .. } | What::Promoted { run, .. } => {
            at.event(Some(*run), None, event)
        }
        What::PoolApplied { .. }
        | What::PoolDeleted { .. }
        | What::WorkspaceSet { .. }
        | What::QuotaSet { .. } => at.event(None, None, event),
        What::Node { node, .. } => at.event(None, Some(*node), event),
        What::Forgotten { runs } => runs.iter().try_for_each(|run| at.forgotten(*run)),
    }
}

/// The entry that the event is of.
struct At<'a> {
    db: &'a Connection,
    index: u64,
    wall: u64,
    position: u64,
}

impl At<'_> {
    fn submitted(&self, run: RunId, pool: &str, submit: &Submit) -> Done {
        let body::Labels { display_name, tags } = body::labels(&submit.body);
        // What is copied is everything but the body, which may have 64 KiB.
        let bare = Submit {
            name: submit.name.clone(),
            workspace: submit.workspace.clone(),
            experiment: submit.experiment.clone(),
            pool: submit.pool.clone(),
            scheduling: submit.scheduling.clone(),
            body: Vec::new(),
            ..*submit
        };
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO runs (run, log_index, workspace, name, experiment, pool, display_name, elements,
                     submit, submitted, changed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?2)",
            )?
            .execute(params![
                run.0,
                self.index,
                submit.workspace,
                submit.name,
                submit.experiment,
                pool,
                display_name,
                submit.count,
                pack(&bare)?,
                self.wall,
            ])?;
        for (key, value) in tags {
            self.db
                .prepare_cached("INSERT OR REPLACE INTO tags (run, key, value) VALUES (?1, ?2, ?3)")?
                .execute((run.0, key, value))?;
        }
        Ok(())
    }

    fn started(&self, slot: Slot, fence: Fence, node: NodeId, attempt: u32) -> Done {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO attempts (fence, log_index, run, element, attempt, node, placed, changed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?2)",
            )?
            .execute((fence.0, self.index, slot.run.0, slot.element, attempt, node.0, self.wall))?;
        Ok(())
    }

    fn ended(&self, slot: Slot, ending: Ending, report: &Report) -> Done {
        self.attempt_over(slot, report.fence, None, Some(report))?;
        self.element_over(slot, ending, Some(report.fence), None)
    }

    /// An attempt is over; without a reason it is its element's result.
    fn attempt_over(&self, slot: Slot, fence: Fence, reason: Option<&str>, report: Option<&Report>) -> Done {
        let packed = report.map(pack).transpose()?;
        self.db
            .prepare_cached(
                "UPDATE attempts SET ended = ?2, reason = ?3, report = ?4, changed = ?5 WHERE fence = ?1",
            )?
            .execute((fence.0, self.wall, reason, packed, self.index))?;
        let started = report.map(|report| report.started.0).filter(|started| *started > 0);
        if let Some(started) = started {
            self.db
                .prepare_cached(
                    "UPDATE runs SET started = ?2, changed = ?3
                     WHERE run = ?1 AND (started IS NULL OR started > ?2)",
                )?
                .execute((slot.run.0, started, self.index))?;
        }
        Ok(())
    }

    fn element_over(&self, slot: Slot, ending: Ending, fence: Option<Fence>, reason: Option<&str>) -> Done {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO elements (run, element, log_index, ended, ending, fence, reason)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                slot.run.0,
                slot.element,
                self.index,
                self.wall,
                ending_name(ending),
                fence.map(|fence| fence.0),
                reason,
            ])?;
        let count = match ending {
            Ending::Completed => "UPDATE runs SET completed = completed + 1, changed = ?2 WHERE run = ?1",
            Ending::Failed => "UPDATE runs SET failed = failed + 1, changed = ?2 WHERE run = ?1",
            Ending::Canceled => "UPDATE runs SET canceled = canceled + 1, changed = ?2 WHERE run = ?1",
        };
        self.db.prepare_cached(count)?.execute((slot.run.0, self.index))?;
        Ok(())
    }

    fn canceled(&self, run: RunId, from: u32, to: u32) -> Done {
        if to - from == 1 {
            let slot = Slot { run, element: from };
            self.lose_attempt(slot, "canceled")?;
            return self.element_over(slot, Ending::Canceled, None, None);
        }
        // The range spans all that waited; elements between that had been cancelled together before stay as
        // they are.
        let before: Vec<(u32, u32)> = self
            .db
            .prepare_cached(
                "SELECT first, past FROM canceled WHERE run = ?1 AND first < ?3 AND past > ?2 ORDER BY first",
            )?
            .query_map((run.0, from, to), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut first = from;
        for (known, past) in before.into_iter().chain([(to, to)]) {
            self.canceled_together(run, (first, known), self.index, self.wall)?;
            first = past;
        }
        self.count_again(run)
    }

    fn canceled_together(&self, run: RunId, (first, past): (u32, u32), index: u64, ended: u64) -> Done {
        if first < past {
            self.db
                .prepare_cached(
                    "INSERT OR REPLACE INTO canceled (run, first, past, log_index, ended, changed)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?
                .execute((run.0, first, past, index, ended, self.index))?;
        }
        Ok(())
    }

    fn abandoned(&self, slot: Slot, reason: &str) -> Done {
        self.lose_attempt(slot, reason)?;
        self.element_over(slot, Ending::Failed, None, Some(reason))
    }

    /// Nothing more will be heard of the attempt that an element has, if it has one.
    fn lose_attempt(&self, slot: Slot, reason: &str) -> Done {
        self.db
            .prepare_cached(
                "UPDATE attempts SET ended = ?3, reason = ?4, changed = ?5
                 WHERE run = ?1 AND element = ?2 AND ended IS NULL",
            )?
            .execute((slot.run.0, slot.element, self.wall, reason, self.index))?;
        Ok(())
    }

    fn run_ended(&self, run: RunId, ending: Ending) -> Done {
        self.db
            .prepare_cached("UPDATE runs SET ended = ?2, ending = ?3, changed = ?4 WHERE run = ?1")?
            .execute((run.0, self.wall, ending_name(ending), self.index))?;
        Ok(())
    }

    fn retried(&self, run: RunId, element: Option<u32>) -> Done {
        gone::note(self.db, self.index, run, element.map_or(Gone::NotCompleted, Gone::Element))?;
        match element {
            Some(element) => {
                self.db
                    .prepare_cached("DELETE FROM elements WHERE run = ?1 AND element = ?2")?
                    .execute((run.0, element))?;
                self.take_from_canceled(run, element)?;
            }
            None => {
                self.db
                    .prepare_cached("DELETE FROM elements WHERE run = ?1 AND ending <> 'Completed'")?
                    .execute([run.0])?;
                self.db.prepare_cached("DELETE FROM canceled WHERE run = ?1")?.execute([run.0])?;
            }
        }
        self.db
            .prepare_cached(
                "UPDATE runs SET ended = NULL, ending = NULL, cancel_requested = 0, changed = ?2 WHERE run = ?1",
            )?
            .execute((run.0, self.index))?;
        self.count_again(run)
    }

    /// Splits the range that holds `element`, so that it is no longer in one.
    fn take_from_canceled(&self, run: RunId, element: u32) -> Done {
        let range: Option<(u32, u32, u64, u64)> = self
            .db
            .prepare_cached(
                "DELETE FROM canceled WHERE run = ?1 AND first <= ?2 AND past > ?2
                 RETURNING first, past, log_index, ended",
            )?
            .query_row((run.0, element), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((first, past, index, ended)) = range else { return Ok(()) };
        self.canceled_together(run, (first, element), index, ended)?;
        self.canceled_together(run, (element + 1, past), index, ended)
    }

    /// Counts a run's elements from their rows: after something that is not one more.
    fn count_again(&self, run: RunId) -> Done {
        self.db
            .prepare_cached(
                "UPDATE runs SET
                     completed = (SELECT count(*) FROM elements e WHERE e.run = ?1 AND e.ending = 'Completed'),
                     failed = (SELECT count(*) FROM elements e WHERE e.run = ?1 AND e.ending = 'Failed'),
                     canceled = (SELECT count(*) FROM elements e WHERE e.run = ?1 AND e.ending = 'Canceled')
                         + (SELECT coalesce(sum(c.past - c.first), 0) FROM canceled c WHERE c.run = ?1)
                         - (SELECT count(*) FROM canceled c JOIN elements e ON e.run = c.run
                                AND e.element >= c.first AND e.element < c.past WHERE c.run = ?1),
                     changed = ?2
                 WHERE run = ?1",
            )?
            .execute((run.0, self.index))?;
        Ok(())
    }

    fn forgotten(&self, run: RunId) -> Done {
        gone::note(self.db, self.index, run, Gone::Run)?;
        gone::drop_run(self.db, integer(run.0))
    }

    fn event(&self, run: Option<RunId>, node: Option<NodeId>, event: &Event) -> Done {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO events (log_index, position, wall, run, node, what)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                self.index,
                self.position,
                self.wall,
                run.map(|run| run.0),
                node.map(|node| node.0),
                pack(&event.what)?,
            ])?;
        Ok(())
    }
}
