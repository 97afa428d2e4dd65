//! No more of a run's elements run at once than it says, no more of a workspace's than it may; and what workspaces and
//! teams are said to have is what their attempts make, counted anew.

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use crate::naive::runs;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::event::What;
use tidegate_scheduler::ids::{PoolId, RunId, WorkspaceId};

/// Limits are kept.
pub(super) struct LimitsAreKept;

/// After an entry in which these runs started something. What clients ask for comes before what starts in an entry, so
/// that the limits after it are those by which it started.
fn judge(started: &BTreeSet<RunId>, after: &State, coverage: &mut Coverage) -> Vec<String> {
    let mut broken = Vec::new();
    let mut workspaces: BTreeSet<WorkspaceId> = BTreeSet::new();
    for id in started {
        let Some(run) = after.run(*id) else { continue };
        workspaces.insert(run.workspace);
        let (waiting, placed) = runs::waiting_and_placed(run);
        let Some(most) = run.terms.as_ref().and_then(|terms| terms.max_concurrent) else { continue };
        if placed > most {
            broken.push(format!("{placed} elements of {id} run, of at most {most}"));
        }
        if placed == most && waiting > 0 {
            coverage.mark(Mark::ConcurrencyHeld);
        }
    }
    for id in workspaces {
        let Some(limits) = after.workspace_of(id).map(|workspace| workspace.limits) else { continue };
        let Some(most) = limits.max_running else { continue };
        let running = runs::running(after, id);
        if running > most {
            broken.push(format!("{running} elements of {id} run, of at most {most}"));
        }
        if running == most {
            coverage.mark(Mark::WorkspaceHeld);
        }
    }
    broken
}

/// What is said of workspaces and teams, and what attempts and runs make.
fn counted(state: &State, broken: &mut Vec<String>) {
    for workspace in state.workspaces() {
        let Some(id) = state.workspace(&workspace.name) else { continue };
        let open = |run: &tidegate_scheduler::state::runs::Run| run.workspace == id && run.ended.is_none();
        let open = state.runs().iter().filter(|(_, run)| open(run)).count() as u32;
        let running = runs::running(state, id);
        if (workspace.open, workspace.running) != (open, running) {
            broken.push(format!("{workspace:?} has {open} open runs, and {running} elements run"));
        }
    }
    let mut parts: BTreeMap<(PoolId, String), u64> = BTreeMap::new();
    for (_, attempt) in state.attempts() {
        let found = state.node(attempt.node).zip(state.run(attempt.slot.run));
        let Some((node, run)) = found else { continue };
        let Some(size) = state.pool(node.pool).map(|pool| pool.settings.size.capacity) else { continue };
        let millionths = |part: u64, whole: u64| {
            (u128::from(part) * 1_000_000).checked_div(u128::from(whole)).unwrap_or_default() as u64
        };
        let takes = attempt.resources;
        let largest = millionths(takes.vcpu.into(), size.vcpu.into())
            .max(millionths(takes.memory_mib, size.memory_mib))
            .max(millionths(takes.gpu_milli.into(), size.gpu_milli.into()));
        let team = run.terms.as_ref().and_then(|terms| terms.team.as_deref()).unwrap_or_default();
        *parts.entry((node.pool, team.to_owned())).or_default() += largest;
    }
    for (id, pool) in state.pools() {
        for (team, history) in &pool.teams {
            let made = parts.remove(&(id, team.to_string())).unwrap_or_default();
            if made != history.rate() {
                broken.push(format!("team `{team}` has {} of {id}, attempts make {made}", history.rate()));
            }
        }
    }
    parts.retain(|_, part| *part > 0);
    broken
        .extend(parts.keys().map(|(pool, team)| format!("team `{team}` is said to have nothing of {pool}")));
}

impl Checker for LimitsAreKept {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let started = at.changes.events.iter().filter_map(|event| match &event.what {
            What::Started { slot, .. } => Some(slot.run),
            _ => None,
        });
        let mut broken = judge(&started.collect(), at.after, coverage);
        if at.changes.events.iter().any(|event| matches!(event.what, What::Promoted { .. })) {
            coverage.mark(Mark::Rose);
        }
        if is_due(at.index, at.after) {
            counted(at.after, &mut broken);
        }
        found.extend(broken.into_iter().map(|what| format!("limits are kept: entry {}: {what}", at.index)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{applied, asked, node, part, pool, submit};
    use tidegate_scheduler::command::{ClientCommand, Command, PlanCommand, RunLimits, Scheduling, Submit};
    use tidegate_scheduler::ids::Slot;

    #[test]
    fn one_too_many_is_found() {
        let mut state = State::new();
        let scheduling = Scheduling { max_concurrent: Some(2), ..Scheduling::default() };
        let run = Submit { scheduling, ..submit("a", 4, part(1)) };
        applied(&mut state, vec![asked(pool("main", 1)), asked(ClientCommand::Submit(Box::new(run)))]);
        let pool = state.pools().next().expect("the pool").0;
        let on = node(&mut state, pool);
        let started = [RunId(1)].into();
        let judged = |state: &State| judge(&started, state, &mut Coverage::default());
        for element in 0..3 {
            let slot = Slot { run: RunId(1), element };
            applied(&mut state, vec![Command::Plan(PlanCommand::Start { slot, node: on })]);
        }
        assert_eq!(state.attempts().count(), 2, "a third one is refused");
        assert_eq!(judged(&state), Vec::<String>::new());
        let limits = RunLimits { max_running: Some(1), max_open: None };
        applied(&mut state, vec![asked(ClientCommand::SetWorkspace { workspace: "default".into(), limits })]);
        assert_eq!(judged(&state).len(), 1, "had these started now");
        let mut broken = Vec::new();
        counted(&state, &mut broken);
        assert_eq!(broken, Vec::<String>::new());
    }
}
