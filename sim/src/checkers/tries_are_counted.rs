//! Failures of the program use up the run's own retries, failures of the system the agreed number of tries; neither
//! counts for the other, and an element fails when they are used up and not before.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use std::collections::BTreeMap;
use tidegate_scheduler::event::{Ending, What};
use tidegate_scheduler::ids::{RunId, Slot};
use tidegate_scheduler::limits::agreed;
use tidegate_scheduler::message::{End, Report};

#[derive(Clone, Copy, Debug, Default)]
struct Tries {
    user: u16,
    system: u16,
}

/// Tries are counted.
#[derive(Default)]
pub(super) struct TriesAreCounted {
    retries: BTreeMap<RunId, u16>,
    tries: BTreeMap<Slot, Tries>,
}

fn is_of_the_program(report: Option<&Report>) -> Option<bool> {
    match report.map(|report| &report.end) {
        None | Some(End::System { .. } | End::Stopped) => Some(false),
        Some(End::Exited { .. } | End::Signaled { .. } | End::TimedOut) => Some(true),
        Some(End::Succeeded | End::CannotStart { .. }) => None,
    }
}

impl TriesAreCounted {
    fn again(&mut self, slot: Slot, report: Option<&Report>, at: u64, found: &mut Vec<String>) {
        let retries = self.retries.get(&slot.run).copied().unwrap_or_default();
        let tries = self.tries.entry(slot).or_default();
        match is_of_the_program(report) {
            Some(true) => tries.user += 1,
            Some(false) => tries.system += 1,
            None => {
                found.push(format!("tries are counted: entry {at}: {slot:?} runs again after {report:?}"))
            }
        }
        if tries.user > retries || tries.system >= agreed::SYSTEM_TRIES {
            found.push(format!(
                "tries are counted: entry {at}: {slot:?} runs again after {tries:?} with {retries} retries"
            ));
        }
    }

    fn failed(&self, slot: Slot, report: Option<&Report>, at: u64, found: &mut Vec<String>) {
        let retries = self.retries.get(&slot.run).copied().unwrap_or_default();
        let tries = self.tries.get(&slot).copied().unwrap_or_default();
        let used_up = match is_of_the_program(report) {
            Some(true) => tries.user >= retries,
            Some(false) => tries.system + 1 >= agreed::SYSTEM_TRIES,
            None => report.is_some_and(|report| matches!(report.end, End::CannotStart { .. })),
        };
        if !used_up {
            found.push(format!(
                "tries are counted: entry {at}: {slot:?} failed for good after {tries:?} with {retries} retries"
            ));
        }
    }
}

impl Checker for TriesAreCounted {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        for event in &at.changes.events {
            match &event.what {
                What::Submitted { run, submit, .. } => drop(self.retries.insert(*run, submit.retries)),
                What::Requeued { slot, report, .. } => {
                    self.again(*slot, report.as_deref(), at.index, found);
                }
                What::Ended { slot, ending: Ending::Failed, report, .. } => {
                    self.failed(*slot, Some(report), at.index, found);
                }
                What::Ended { slot, ending: Ending::Completed, report, .. } => {
                    if report.end != End::Succeeded {
                        found.push(format!(
                            "tries are counted: entry {}: {slot:?} completed by {}",
                            at.index, report.end
                        ));
                    }
                }
                What::Abandoned { slot, .. } => self.failed(*slot, None, at.index, found),
                What::Retried { run, element } => {
                    let asked =
                        |slot: &Slot| slot.run == *run && element.is_none_or(|only| only == slot.element);
                    // Only what had ended begins anew; what waits or runs keeps its count.
                    let over = |slot: &Slot| {
                        use tidegate_scheduler::state::elements::ElementState;
                        matches!(at.before.element(*slot), Some(ElementState::Ended(_)))
                    };
                    self.tries.retain(|slot, _| !(asked(slot) && over(slot)));
                }
                What::Forgotten { runs } => {
                    self.retries.retain(|run, _| !runs.contains(run));
                    self.tries.retain(|slot, _| !runs.contains(&slot.run));
                }
                What::Started { .. }
                | What::PrerequisiteNotMet { .. }
                | What::Promoted { .. }
                | What::WorkspaceSet { .. }
                | What::Ended { ending: Ending::Canceled, .. }
                | What::Canceled { .. }
                | What::RunEnded { .. }
                | What::CancelRequested { .. }
                | What::PoolApplied { .. }
                | What::PoolDeleted { .. }
                | What::QuotaSet { .. }
                | What::Node { .. } => {}
            }
        }
    }
}
