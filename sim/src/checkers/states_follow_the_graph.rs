//! S6: elements move along the allowed graph only, and what has ended stays so unless a client asks for it again.
//!
//! ```text
//! Waiting -> Placed -> Ended            Placed -> Waiting (queued again)
//!    \-> Ended (cancelled)              Ended -> Waiting  (a client's retry alone, and never what completed)
//! ```

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::command::{ClientCommand, Command};
use tidegate_scheduler::event::{Ending, What};
use tidegate_scheduler::ids::{Fence, RunId, Slot};
use tidegate_scheduler::state::elements::ElementState;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Placed(Fence),
    Ended(Ending),
}

/// S6.
#[derive(Default)]
pub(super) struct StatesFollowTheGraph {
    runs: BTreeMap<RunId, Vec<Stage>>,
    over: BTreeMap<RunId, Ending>,
}

impl StatesFollowTheGraph {
    fn stage(&mut self, slot: Slot) -> Option<&mut Stage> {
        self.runs.get_mut(&slot.run)?.get_mut(slot.element as usize)
    }

    fn go(&mut self, slot: Slot, may: impl Fn(Stage) -> bool, to: Stage, at: u64, found: &mut Vec<String>) {
        let over = self.over.contains_key(&slot.run);
        let Some(stage) = self.stage(slot) else {
            return found.push(format!("S6 graph: entry {at}: {slot:?} is unknown and goes to {to:?}"));
        };
        if !may(*stage) || over {
            let from = *stage;
            found.push(format!("S6 graph: entry {at}: {slot:?} goes from {from:?} to {to:?}, over: {over}"));
            return;
        }
        *stage = to;
    }

    fn retry(&mut self, run: RunId, only: Option<u32>) {
        self.over.remove(&run);
        let Some(stages) = self.runs.get_mut(&run) else { return };
        for (element, stage) in stages.iter_mut().enumerate() {
            let asked = only.is_none_or(|only| only as usize == element);
            if asked && matches!(stage, Stage::Ended(Ending::Failed | Ending::Canceled)) {
                *stage = Stage::Waiting;
            }
        }
    }

    fn run_ended(&mut self, run: RunId, ending: Ending, at: u64, found: &mut Vec<String>) {
        let stages = self.runs.get(&run).map_or(&[][..], Vec::as_slice);
        let has = |ending| stages.contains(&Stage::Ended(ending));
        let all = stages.iter().all(|stage| matches!(stage, Stage::Ended(_)));
        let right = match (has(Ending::Failed), has(Ending::Canceled)) {
            (true, _) => Ending::Failed,
            (false, true) => Ending::Canceled,
            (false, false) => Ending::Completed,
        };
        if !all || right != ending || self.over.insert(run, ending).is_some() {
            found.push(format!("S6 graph: entry {at}: {run} ended as {ending:?} with {stages:?}"));
        }
    }

    fn compare(&self, at: u64, state: &State, found: &mut Vec<String>) {
        for (id, stages) in &self.runs {
            for (element, stage) in stages.iter().enumerate() {
                let is = state.element(Slot { run: *id, element: element as u32 }).map(|state| match state {
                    ElementState::Waiting(_) => Stage::Waiting,
                    ElementState::Placed(fence) => Stage::Placed(fence),
                    ElementState::Ended(ending) => Stage::Ended(ending),
                });
                if is != Some(*stage) {
                    found.push(format!(
                        "S6 graph: entry {at}: by history element {element} of {id} is {stage:?}, the state has \
                         {is:?}"
                    ));
                }
            }
            if state.run(*id).is_some_and(|run| run.ended.is_some() != self.over.contains_key(id)) {
                found.push(format!("S6 graph: entry {at}: {id} is over in one of state and history alone"));
            }
        }
    }

    fn follow(&mut self, what: &What, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let index = at.index;
        match what {
            What::Submitted { run, submit, .. } => {
                self.runs.insert(*run, vec![Stage::Waiting; submit.count as usize]);
            }
            What::Started { slot, fence, .. } => {
                self.go(*slot, |from| from == Stage::Waiting, Stage::Placed(*fence), index, found);
            }
            What::Ended { slot, ending, report, .. } => {
                let placed = Stage::Placed(report.fence);
                self.go(*slot, |from| from == placed, Stage::Ended(*ending), index, found);
            }
            What::Requeued { slot, fence, .. } => {
                let placed = Stage::Placed(*fence);
                self.go(*slot, |from| from == placed, Stage::Waiting, index, found);
            }
            What::Abandoned { slot, .. } => {
                let placed = |from| matches!(from, Stage::Placed(_));
                self.go(*slot, placed, Stage::Ended(Ending::Failed), index, found);
            }
            What::Canceled { run, from, to } => {
                for element in *from..*to {
                    let open = |from| !matches!(from, Stage::Ended(_));
                    let slot = Slot { run: *run, element };
                    self.go(slot, open, Stage::Ended(Ending::Canceled), index, found);
                }
            }
            What::RunEnded { run, ending } => self.run_ended(*run, *ending, index, found),
            What::Retried { run, element } => {
                coverage.mark(Mark::Retried);
                // It may have been submitted by the same entry.
                let name = at.after.run(*run).map(|run| &*run.name);
                let is_retry = |command: &Command| match command {
                    Command::Client { command: ClientCommand::Retry(which), .. } => {
                        Some(&*which.run) == name && which.element == *element
                    }
                    _ => false,
                };
                if !at.commands.iter().any(is_retry) {
                    found.push(format!("S6 graph: entry {index}: {run} was retried and nobody asked"));
                }
                self.retry(*run, *element);
            }
            What::Forgotten { runs } => {
                for run in runs {
                    self.runs.remove(run);
                    if self.over.remove(run).is_none() {
                        found.push(format!("S6 graph: entry {index}: {run} was forgotten and is not over"));
                    }
                }
            }
            What::CancelRequested { .. }
            | What::Promoted { .. }
            | What::PrerequisiteNotMet { .. }
            | What::WorkspaceSet { .. }
            | What::PoolApplied { .. }
            | What::PoolDeleted { .. }
            | What::QuotaSet { .. }
            | What::Node { .. } => {}
        }
    }
}

impl Checker for StatesFollowTheGraph {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        for event in &at.changes.events {
            self.follow(&event.what, at, coverage, found);
        }
        if is_due(at.index, at.after) {
            self.compare(at.index, at.after, found);
        }
    }

    fn at_rest(&mut self, state: &State, found: &mut Vec<String>) {
        self.compare(state.applied(), state, found);
    }
}
