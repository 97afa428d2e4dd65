//! S5: every run that was accepted is queued, on a node or over, by its number, until it is forgotten by an entry
//! that says so; and each of its elements is in exactly one of those places.

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::{RunId, Slot};
use tidegate_scheduler::state::elements::ElementState;

/// S5.
#[derive(Default)]
pub(super) struct NoRunIsLost {
    /// Those that were accepted and not forgotten, with how many elements they have.
    runs: BTreeMap<RunId, u32>,
}

impl NoRunIsLost {
    fn check(&self, index: u64, state: &State, found: &mut Vec<String>) {
        if state.runs().len() != self.runs.len() {
            found.push(format!(
                "S5 no run is lost: entry {index}: {} were accepted and not forgotten, there are {}",
                self.runs.len(),
                state.runs().len()
            ));
        }
        for (id, count) in &self.runs {
            self.check_run(index, *id, *count, state, found);
        }
    }

    fn check_run(&self, index: u64, id: RunId, count: u32, state: &State, found: &mut Vec<String>) {
        let Some(run) = state.run(id) else {
            return found.push(format!("S5 no run is lost: entry {index}: {id} is not there"));
        };
        let (mut waiting, mut placed, mut ended) = (0, 0, 0);
        for element in 0..count {
            match state.element(Slot { run: id, element }) {
                Some(ElementState::Waiting(_)) => waiting += 1,
                Some(ElementState::Placed(fence)) => {
                    placed += 1;
                    if state.attempt(fence).is_none() {
                        found.push(format!(
                            "S5 no run is lost: entry {index}: element {element} of {id} is on no node, as \
                             {fence} which is not there"
                        ));
                    }
                }
                Some(ElementState::Ended(_)) => ended += 1,
                None => found
                    .push(format!("S5 no run is lost: entry {index}: element {element} of {id} is nowhere")),
            }
        }
        let counts = run.elements.counts();
        let over = counts.completed + counts.failed + counts.canceled;
        if (waiting, placed, ended) != (counts.waiting, counts.placed, over) {
            found.push(format!(
                "S5 no run is lost: entry {index}: {id} counts {counts:?}, its elements make {waiting} waiting, \
                 {placed} placed, {ended} over"
            ));
        }
        let leaves = run.elements.waiting(usize::MAX).count() as u32;
        if leaves != waiting {
            found.push(format!(
                "S5 no run is lost: entry {index}: {waiting} elements of {id} wait, {leaves} would leave the queue"
            ));
        }
    }
}

impl Checker for NoRunIsLost {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        for event in &at.changes.events {
            if let What::Submitted { run, submit, .. } = &event.what
                && self.runs.insert(*run, submit.count).is_some()
            {
                found.push(format!("S5 no run is lost: entry {}: {run} was submitted twice", at.index));
            }
            if let What::Forgotten { runs } = &event.what {
                coverage.mark(Mark::Forgotten);
                self.runs.retain(|run, _| !runs.contains(run));
            }
        }
        if is_due(at.index, at.after) {
            self.check(at.index, at.after, found);
        }
    }

    fn at_rest(&mut self, state: &State, found: &mut Vec<String>) {
        self.check(state.applied(), state, found);
    }
}
