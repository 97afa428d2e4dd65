//! Runs that have waited for long rise to the next band, so that nobody waits for ever behind what keeps coming.
//!
//! Only the first of each shape is looked at: what is behind it comes to the front by ageing alone.

use super::{Plan, Situation};
use crate::command::PlanCommand;
use crate::index::Queue;
use crate::state::pools::Pool;
use crate::state::runs::Band;

pub(super) fn rise(situation: &Situation<'_>, pool: &Pool, queue: &Queue, plan: &mut Plan) {
    let mut due = Vec::new();
    for (_, _, shape) in queue.shapes() {
        for head in [Band::Low, Band::Medium].into_iter().filter_map(|band| shape.head(band)) {
            let Some(run) = situation.state.run(head) else { continue };
            match run.rises_at(pool.settings.order) {
                at if at <= situation.now => due.push(head),
                at => plan.wait_until(at),
            }
        }
    }
    if !due.is_empty() {
        plan.commands.push(PlanCommand::Promote { runs: due });
    }
}
