//! S5: every run that was accepted is queued, on a node or over, by its number, until it is forgotten by an entry
//! that says so; and each of its elements is in exactly one of those places.

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use std::collections::BTreeMap;
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::{RunId, Slot};
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::time::Millis;
use tidegate_scheduler::{Limits, State};

/// S5.
#[derive(Default)]
pub(super) struct NoRunIsLost {
    /// Those that were accepted and not forgotten, with how many elements they have.
    runs: BTreeMap<RunId, u32>,
}

/// Of runs that are forgotten, those that should not be: what has not ended, or ended lately and is not of the oldest
/// beyond the number that is remembered.
fn may_not_go(runs: &[RunId], before: &State, now: Millis, limits: &Limits) -> Vec<RunId> {
    let ended: Vec<RunId> =
        before.runs().iter().filter(|(_, run)| run.ended.is_some()).map(|(id, _)| id).collect();
    let surplus = (ended.len() as u64).saturating_sub(limits.retained_runs) as usize;
    let too_many = &ended[..surplus];
    let may = |id: &RunId| {
        let at = before.run(*id).and_then(|run| run.ended);
        at.is_some_and(|at| at.after(limits.retention) <= now || too_many.contains(id))
    };
    runs.iter().copied().filter(|id| !may(id)).collect()
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
                let too_soon = may_not_go(runs, at.before, at.after.now(), at.limits);
                found.extend(too_soon.into_iter().map(|run| {
                    format!("S5 no run is lost: entry {}: {run} is forgotten before its time", at.index)
                }));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, pool, run, select};
    use tidegate_scheduler::command::{ClientCommand, Command, PlanCommand};

    /// Three runs, of which the first two are cancelled.
    fn begun() -> (State, NoRunIsLost) {
        let mut state = State::new();
        let cancel = |name| asked(ClientCommand::Cancel(select(name, None)));
        let runs = ["a", "b", "c"].map(|name| asked(run(name, 2)));
        applied(&mut state, [vec![asked(pool("main", 1))], runs.to_vec()].concat());
        applied(&mut state, vec![cancel("a"), cancel("b")]);
        let runs = (1..=3).map(|id| (RunId(id), 2)).collect();
        (state, NoRunIsLost { runs })
    }

    #[test]
    fn a_run_that_is_gone_or_new_is_found() {
        let (state, mut checker) = begun();
        let broken = |checker: &NoRunIsLost, state: &State| {
            let mut found = Vec::new();
            checker.check(1, state, &mut found);
            !found.is_empty()
        };
        assert!(!broken(&checker, &state));
        let mut without = state.fork();
        applied(&mut without, vec![Command::Plan(PlanCommand::Forget { runs: vec![RunId(1)] })]);
        assert!(broken(&checker, &without));
        checker.runs.insert(RunId(3), 3);
        assert!(broken(&checker, &state), "one of its elements is nowhere");
    }

    #[test]
    fn a_run_that_is_forgotten_too_soon_is_found() {
        let (state, _) = begun();
        let limits = Limits { retention: Millis(1000), retained_runs: 1, ..Limits::default() };
        let wrong = |runs: &[u64], now| {
            let runs: Vec<RunId> = runs.iter().map(|id| RunId(*id)).collect();
            may_not_go(&runs, &state, Millis(now), &limits).into_iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!(wrong(&[1], 0), [0; 0], "one too many is remembered");
        assert_eq!(wrong(&[1, 2], 0), [2]);
        assert_eq!(wrong(&[1, 2], 1000), [0; 0]);
        assert_eq!(wrong(&[3], 1000), [3], "it has not ended");
    }
}
