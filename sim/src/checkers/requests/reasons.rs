//! Whether a request may be refused: the reasons that there are, looked for in the state by plain walks.

use super::cascade;
use super::did::{find, find_pool, prerequisites, selected};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{ClientCommand, PoolSettings, QuotaKey, RunSelector, Submit};
use tidegate_scheduler::controllers::Wish;
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{ControllerId, Slot, WorkspaceId};
use tidegate_scheduler::limits::agreed;
use tidegate_scheduler::resources::Need;
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::state::runs::Run;

/// Whether there is a reason to refuse it.
pub(super) fn may_refuse(command: &ClientCommand, state: &State) -> bool {
    match command {
        ClientCommand::Submit(submit) => may_refuse_run(submit, state),
        ClientCommand::Cancel(which) => {
            let open = |slot| match state.element(slot) {
                Some(ElementState::Waiting(_)) => true,
                Some(ElementState::Placed(fence)) => {
                    state.attempt(fence).is_some_and(|attempt| attempt.stopping.is_none())
                }
                Some(ElementState::Ended(_)) | None => false,
            };
            !any_selected(which, state, open)
        }
        ClientCommand::Retry(which) => {
            let ended = |slot| {
                let ended = state.element(slot);
                matches!(ended, Some(ElementState::Ended(Ending::Failed | Ending::Canceled)))
            };
            let run = find(state, &which.workspace, &which.run);
            let pool = run.and_then(|(_, run)| state.pool(run.pool));
            let held = |(_, run): (_, &Run)| {
                cascade::is_in_vain(state, run) || run.ended.is_some() && is_full(run.workspace, state)
            };
            pool.is_none_or(|pool| pool.deleting)
                || run.is_some_and(held)
                || !any_selected(which, state, ended)
        }
        ClientCommand::ApplyPool(settings) => may_refuse_pool(settings, state),
        ClientCommand::DeletePool { workspace, pool, force } => {
            let known = find_pool(state, workspace, pool);
            let in_use = |id| state.runs().iter().any(|(_, run)| run.pool == id && run.ended.is_none());
            known.is_none_or(|(id, _)| !force && in_use(id))
        }
        ClientCommand::AddController { replaces, .. } => replaces.is_some_and(|id| goes_last(id, state)),
        ClientCommand::RemoveController { id } => goes_last(*id, state),
        ClientCommand::SetQuota { key, allowance } => is_odd(key, allowance.as_ref()),
        ClientCommand::SetWorkspace { workspace, .. } => !is_name(workspace),
    }
}

/// Whether a workspace has as many runs as it may.
pub(super) fn is_full(id: WorkspaceId, state: &State) -> bool {
    let most = state.workspace_of(id).and_then(|workspace| workspace.limits.max_open);
    let open = state.runs().iter().filter(|(_, run)| run.workspace == id && run.ended.is_none()).count();
    most.is_some_and(|most| open as u64 >= u64::from(most))
}

/// Whether an allowance is for nobody, or beyond what can be counted.
pub(super) fn is_odd(key: &QuotaKey, allowance: Option<&Allowance>) -> bool {
    let names = [&key.workspace, &key.team].into_iter().flatten();
    let nobody = key.team.is_some() && key.workspace.is_none();
    let odd = |it: &Allowance| {
        let vcpu_hours = it.budget.map(|budget| budget.vcpu_hours);
        let amounts = [Some(it.nominal), it.borrowing_limit, it.lending_limit, vcpu_hours];
        amounts.into_iter().flatten().any(|amount| amount > agreed::VCPU)
            || it.weight > agreed::WEIGHT
            || (key.workspace.is_none() && it.lending_limit.is_some())
    };
    nobody || names.into_iter().any(|name| !is_name(name)) || allowance.is_some_and(odd)
}

pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
    name.len() < 256 && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

fn any_selected(which: &RunSelector, state: &State, is: impl Fn(Slot) -> bool) -> bool {
    find(state, &which.workspace, &which.run).is_some_and(|(run, entry)| {
        selected(which, entry.elements.count()).any(|element| is(Slot { run, element }))
    })
}

fn may_refuse_run(submit: &Submit, state: &State) -> bool {
    if !is_name(&submit.name)
        || !is_name(&submit.workspace)
        || find(state, &submit.workspace, &submit.name).is_some()
    {
        return true;
    }
    let large = submit.body.len() > agreed::BODY_BYTES || submit.count > agreed::ELEMENTS;
    let of_it =
        state.pools().map(|(_, pool)| pool).filter(|pool| pool.settings.workspace == submit.workspace);
    let mut pools = of_it.filter(|pool| match &submit.pool {
        Some(name) => pool.settings.name.eq_ignore_ascii_case(name),
        None => !pool.deleting,
    });
    // A run that names no pool goes to the one called `default`, or to the first.
    let first = pools.next();
    let pool = match &submit.pool {
        Some(_) => first,
        None => pools.find(|pool| pool.settings.name.eq_ignore_ascii_case("default")).or(first),
    };
    let after = prerequisites(submit, state);
    let unmet = after.is_none_or(|after| cascade::is_unmet(state, after.into_iter()));
    large
        || unmet
        || submit.scheduling.after.len() > agreed::PREREQUISITES
        || submit.scheduling.team.as_ref().is_some_and(|team| !is_name(team))
        || state.workspace(&submit.workspace).is_some_and(|id| is_full(id, state))
        || submit.count == 0
        || submit.scheduling.max_concurrent == Some(0)
        || pool.is_none_or(|pool| {
            let size = pool.settings.size.capacity;
            let fits = match submit.need {
                Need::WholeNode => true,
                Need::Part(part) => {
                    part.vcpu <= size.vcpu
                        && part.memory_mib <= size.memory_mib
                        && part.gpu_milli <= size.gpu_milli
                }
            };
            pool.deleting || !fits
        })
}

fn may_refuse_pool(settings: &PoolSettings, state: &State) -> bool {
    let other = |known: &PoolSettings| {
        (&known.size, known.tier, &known.region) != (&settings.size, settings.tier, &settings.region)
    };
    !is_name(&settings.workspace)
        || !is_name(&settings.name)
        || settings.team.as_ref().is_some_and(|team| !is_name(team))
        || settings.min_instances > settings.max_instances
        || settings.max_instances > agreed::INSTANCES
        || settings.size.capacity.vcpu == 0
        || find_pool(state, &settings.workspace, &settings.name)
            .is_some_and(|(_, pool)| pool.deleting || other(&pool.settings))
}

/// Whether nobody votes without this controller, or there is none of this number.
fn goes_last(id: ControllerId, state: &State) -> bool {
    let others = state.controllers().any(|(other, it)| other != id && it.wish == Wish::Voter);
    state.controller(id).is_none() || !others
}
