//! S2: a fresh planner on the same state decides what the leader decided.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use std::collections::BTreeSet;
use tidegate_scheduler::command::{Command, PlanCommand};
use tidegate_scheduler::index::Index;
use tidegate_scheduler::plan::{self, Drain, Situation};

/// S2.
pub(super) struct PlanIsRepeatable;

/// What the planner's passes over pools decide. The rest is decided by the clock or the group.
fn is_of_a_pool(command: &PlanCommand) -> bool {
    match command {
        PlanCommand::Start { .. } | PlanCommand::RequestNode { .. } | PlanCommand::ReleaseNode { .. } => true,
        PlanCommand::Forget { .. }
        | PlanCommand::Promote { .. }
        | PlanCommand::ForgetController { .. }
        | PlanCommand::RaiseVersion { .. } => false,
    }
}

impl Checker for PlanIsRepeatable {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        let Some(silent) = at.silent else { return };
        let decided: Vec<&PlanCommand> = at
            .commands
            .iter()
            .filter_map(|command| match command {
                Command::Plan(plan) => Some(plan),
                Command::Client { .. } | Command::Observed(_) => None,
            })
            .filter(|plan| is_of_a_pool(plan))
            .collect();
        // Also of nothing: a pool that nobody looked at is one that somebody forgot to mark.
        let mut index = Index::of(at.before);
        let dirty: BTreeSet<_> = at.before.pools().map(|(id, _)| id).collect();
        // The state's own time moves by this very entry: it was planned at that moment.
        let now = at.after.now();
        let situation = Situation { state: at.before, now, silent, drain: Drain::No, limits: at.limits };
        let fresh = plan::plan(&situation, &mut index, &dirty);
        if !fresh.unfinished.is_empty() || fresh.commands.len() >= at.limits.placements_per_pass {
            return;
        }
        let fresh: Vec<&PlanCommand> = fresh.commands.iter().filter(|plan| is_of_a_pool(plan)).collect();
        if fresh != decided {
            found.push(format!(
                "S2 plan is repeatable: entry {}: the leader decided {decided:?}, a fresh planner {fresh:?}",
                at.index
            ));
        }
    }
}
