//! Every cross-reference and every sum in the state holds, time never goes back, and an image of it reads back as
//! the same.

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use tidegate_scheduler::State;
use tidegate_scheduler::event::{NodeChange, What};

/// The state is whole.
pub(super) struct StateIsWhole;

impl Checker for StateIsWhole {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        if at.after.now() < at.before.now() {
            found.push(format!(
                "state is whole: entry {}: time goes back from {} to {}",
                at.index,
                at.before.now(),
                at.after.now()
            ));
        }
        if at.after.refused() > at.before.refused() {
            coverage.mark(Mark::PlanRefused);
        }
        let failed = |what: &What| matches!(what, What::Node { change: NodeChange::Failed { .. }, .. });
        at.changes
            .events
            .iter()
            .filter(|event| failed(&event.what))
            .for_each(|_| coverage.mark(Mark::NodeFailed));
        let lost = |what: &What| match what {
            What::Node {
                node,
                change: NodeChange::Lost | NodeChange::Gone | NodeChange::Failed { .. },
                ..
            } => at.before.node(*node).is_some_and(|node| !node.attempts.is_empty()),
            _ => false,
        };
        if at.changes.events.iter().any(|event| lost(&event.what)) {
            coverage.mark(Mark::WorkerLostMidRun);
        }
        if is_due(at.index, at.after) {
            let broken = at.after.check();
            found
                .extend(broken.into_iter().map(|what| format!("state is whole: entry {}: {what}", at.index)));
        }
    }

    fn at_rest(&mut self, state: &State, found: &mut Vec<String>) {
        found.extend(state.check().into_iter().map(|what| format!("state is whole: {what}")));
        match State::decode(&state.encode()) {
            Ok(back) if back == *state => {}
            Ok(_) => found.push("state is whole: its image reads back as another state".into()),
            Err(error) => found.push(format!("state is whole: its image does not read back: {error}")),
        }
    }
}
