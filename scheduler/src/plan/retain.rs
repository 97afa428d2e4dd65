//! Dropping runs that ended long ago.

use super::{Plan, Situation};
use crate::command::PlanCommand;
use crate::ids::RunId;

/// How many runs one pass looks at: the oldest.
const LOOK: usize = 4096;

pub(super) fn retain(situation: &Situation<'_>, plan: &mut Plan) {
    let limits = situation.limits;
    let runs = situation.state.runs();
    let mut surplus = runs.ended().saturating_sub(limits.retained_runs);
    if surplus == 0 && limits.retention.0 >= situation.now.0 {
        return;
    }
    let mut forget: Vec<RunId> = Vec::new();
    for (id, run) in runs.iter().take(LOOK) {
        let Some(ended) = run.ended else { continue };
        if surplus > 0 || ended.after(limits.retention) <= situation.now {
            forget.push(id);
            surplus = surplus.saturating_sub(1);
        }
    }
    if !forget.is_empty() {
        plan.commands.push(PlanCommand::Forget { runs: forget });
    }
}
