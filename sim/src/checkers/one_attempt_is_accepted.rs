//! S7: at most one attempt of an element is accepted between two retries by a client, and it is the newest one:
//! reports of superseded attempts, zombies' included, change nothing.

use super::{Applied, Checker};
use crate::coverage::{Coverage, Mark};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::command::{Command, Observation};
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::{Fence, Slot};
use tidegate_scheduler::message::Report;

/// S7.
#[derive(Default)]
pub(super) struct OneAttemptIsAccepted {
    /// The newest attempt of each element, and whether it may still be accepted.
    newest: BTreeMap<Slot, (Fence, bool)>,
    accepted: BTreeSet<Fence>,
}

impl OneAttemptIsAccepted {
    fn settle(&mut self, slot: Slot, fence: Fence, at: u64, found: &mut Vec<String>) {
        match self.newest.get_mut(&slot) {
            Some((newest, open)) if *newest == fence && *open => *open = false,
            other => found.push(format!(
                "S7 one attempt: entry {at}: the report of {fence} was taken for {slot:?}, whose newest attempt \
                 is {other:?}"
            )),
        }
        if !self.accepted.insert(fence) {
            found.push(format!("S7 one attempt: entry {at}: {fence} was accepted twice"));
        }
    }

    /// A result is what the worker of its node said, in this very entry.
    fn was_said(report: &Report, at: &Applied<'_>, found: &mut Vec<String>) {
        let on = at.before.attempt(report.fence).map(|attempt| attempt.node);
        let said = |command: &Command| match command {
            Command::Observed(Observation::Ended { node, report: said }) => {
                **said == *report && Some(*node) == on
            }
            _ => false,
        };
        if !at.commands.iter().any(said) {
            found.push(format!(
                "S7 one attempt: entry {}: nobody said {report:?}, and it was accepted",
                at.index
            ));
        }
    }

    fn close(&mut self, slot: Slot) {
        if let Some((_, open)) = self.newest.get_mut(&slot) {
            *open = false;
        }
    }
}

impl Checker for OneAttemptIsAccepted {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        for command in at.commands {
            if let Command::Observed(Observation::Ended { report, .. }) = command
                && at.before.attempt(report.fence).is_none()
            {
                coverage.mark(match self.accepted.contains(&report.fence) {
                    true => Mark::ReportedTwice,
                    false => Mark::SupersededRefused,
                });
            }
        }
        for event in &at.changes.events {
            match &event.what {
                What::Started { slot, fence, .. } => {
                    let before = self.newest.insert(*slot, (*fence, true));
                    if before.is_some_and(|(newest, open)| open || newest >= *fence) {
                        found.push(format!(
                            "S7 one attempt: entry {}: {slot:?} started as {fence} while {before:?} was open",
                            at.index
                        ));
                    }
                }
                What::Ended { slot, report, .. } => {
                    OneAttemptIsAccepted::was_said(report, at, found);
                    self.settle(*slot, report.fence, at.index, found);
                }
                What::Requeued { slot, report: Some(report), .. } => {
                    OneAttemptIsAccepted::was_said(report, at, found);
                    self.settle(*slot, report.fence, at.index, found);
                }
                What::Requeued { slot, report: None, .. } | What::Abandoned { slot, .. } => self.close(*slot),
                What::Canceled { run, from, to } => {
                    (*from..*to).for_each(|element| self.close(Slot { run: *run, element }));
                }
                What::Submitted { .. }
                | What::RunEnded { .. }
                | What::Retried { .. }
                | What::CancelRequested { .. }
                | What::PoolApplied { .. }
                | What::PoolDeleted { .. }
                | What::QuotaSet { .. }
                | What::Node { .. }
                | What::Forgotten { .. }
                | What::PrerequisiteNotMet { .. }
                | What::Promoted { .. }
                | What::WorkspaceSet { .. } => {}
            }
        }
    }
}
