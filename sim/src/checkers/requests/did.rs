//! What one request of a client did, read off the state before it and the state after it alone: no word of what
//! `apply` says about it. Whatever it did beside what was asked for is broken.

use super::difference::Difference;
use super::{cascade, reasons};
use crate::naive;
use std::collections::BTreeSet;
use tidegate_scheduler::State;
use tidegate_scheduler::command::{
    ClientCommand, DependsOn, PoolSettings, QuotaKey, RunLimits, RunSelector, Submit,
};
use tidegate_scheduler::controllers::Wish;
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{ControllerId, PoolId, RunId, Slot};
use tidegate_scheduler::state::elements::{ElementState, Tries};
use tidegate_scheduler::state::pools::Pool;
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::state::runs::Run;

/// What a request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    /// Nothing at all.
    Nothing,
    /// It made this run.
    Made(RunId),
    /// It cancelled, stopped or queued again so many elements.
    Touched(u64),
    /// It lets this controller join.
    Joins(ControllerId),
    /// What it asked for is so.
    Set,
}

type Judged = Result<Did, String>;

/// What the command did, if that is what it asked for and nothing else.
pub(super) fn judge(command: &ClientCommand, before: &State, after: &State) -> Judged {
    let differs = Difference::between(before, after);
    match command {
        ClientCommand::Submit(submit) => submitted(submit, &differs, before, after),
        ClientCommand::Cancel(which) => touched(which, &differs, before, after, &canceled),
        ClientCommand::Retry(which) => touched(which, &differs, before, after, &queued_again),
        ClientCommand::ApplyPool(settings) => applied_pool(settings, &differs, before, after),
        ClientCommand::DeletePool { workspace, pool, .. } => {
            deleted_pool(workspace, pool, &differs, before, after)
        }
        ClientCommand::AddController { voter, replaces } => added(*voter, *replaces, &differs, before, after),
        ClientCommand::RemoveController { id } => removed(*id, &differs, after),
        ClientCommand::SetQuota { key, allowance } => set_quota(key, *allowance, &differs, after),
        ClientCommand::SetWorkspace { workspace, limits } => {
            set_workspace(workspace, *limits, &differs, after)
        }
    }
}

/// The run that a selector means, by a walk over all.
pub(super) fn find<'a>(state: &'a State, workspace: &str, name: &str) -> Option<(RunId, &'a Run)> {
    let means = |run: &Run| &*run.name == name && state.workspace_name(run.workspace) == workspace;
    state.runs().iter().find(|(_, run)| means(run))
}

/// The pool of this name, by a walk over all.
pub(super) fn find_pool<'a>(state: &'a State, workspace: &str, name: &str) -> Option<(PoolId, &'a Pool)> {
    let means =
        |pool: &Pool| pool.settings.workspace == workspace && pool.settings.name.eq_ignore_ascii_case(name);
    state.pools().find(|(_, pool)| means(pool))
}

/// The elements that a selector means.
pub(super) fn selected(which: &RunSelector, count: u32) -> std::ops::Range<u32> {
    match which.element {
        Some(element) => element..element.saturating_add(1).min(count),
        None => 0..count,
    }
}

/// Whether a run is what its client asked for.
pub(super) fn is_as_asked(submit: &Submit, run: &Run, state: &State) -> bool {
    let pool = state.pool(run.pool);
    // A pool may be gone once its runs are over.
    let there = submit
        .pool
        .as_ref()
        .is_none_or(|name| pool.is_none_or(|pool| pool.settings.name.eq_ignore_ascii_case(name)));
    there
        && *run.name == *submit.name
        && state.workspace_name(run.workspace) == submit.workspace
        && run.elements.count() == submit.count
        && (run.need, run.priority, run.retries) == (submit.need, submit.priority, submit.retries)
        && (run.on_disconnect, run.grace) == (submit.on_disconnect, submit.grace)
        && run.digest == submit.digest
        && run.team() == submit.scheduling.team.as_deref().unwrap_or_default()
        && run.terms.as_ref().and_then(|terms| terms.max_concurrent) == submit.scheduling.max_concurrent
}

/// The runs that a submission names, each with how it must end, every one once.
pub(super) fn prerequisites(submit: &Submit, state: &State) -> Option<Vec<(RunId, DependsOn)>> {
    let found = submit.scheduling.after.iter().map(|after| {
        let (run, _) = find(state, &submit.workspace, &after.run)?;
        Some((run, after.on))
    });
    Some(found.collect::<Option<BTreeSet<_>>>()?.into_iter().collect())
}

fn submitted(submit: &Submit, differs: &Difference, before: &State, after: &State) -> Judged {
    if differs.is_none() {
        return Ok(Did::Nothing);
    }
    let mut runs = differs.runs.iter();
    let (Some(id), None) = (runs.next(), runs.next()) else {
        return Err(format!("it is not one new run: {differs:?}"));
    };
    let run = after.run(*id).ok_or_else(|| format!("{id} is gone after it"))?;
    let pools: BTreeSet<PoolId> = [run.pool].into();
    differs.no_more_than(&Difference { runs: [*id].into(), pools, ..Difference::default() })?;
    if !is_as_asked(submit, run, after) {
        return Err(format!("{id} is not what was asked for: {run:?}"));
    }
    let conditions = run.terms.as_ref().map(|terms| terms.after.clone()).unwrap_or_default();
    if Some(&conditions) != prerequisites(submit, before).as_ref() || cascade::is_in_vain(before, run) {
        return Err(format!("{id} is to start after {conditions:?}"));
    }
    let waits_for: BTreeSet<RunId> = conditions.iter().map(|(first, _)| *first).collect();
    let open = waits_for.iter().filter(|first| before.run(**first).is_some_and(|run| run.ended.is_none()));
    if run.pending as usize != open.count() {
        return Err(format!("{id} waits for {} of {waits_for:?}", run.pending));
    }
    if reasons::is_full(run.workspace, before) {
        return Err(format!("{id} is one more than its workspace may have"));
    }
    let fresh = |element| {
        let state = after.element(Slot { run: *id, element });
        state == Some(ElementState::Waiting(Tries::default()))
    };
    match run.ended.is_none() && !run.cancel_requested && (0..submit.count).all(fresh) {
        true => Ok(Did::Made(*id)),
        false => Err(format!("{id} is new, and not all of it waits: {:?}", run.elements.counts())),
    }
}

/// How one selected element moved: whether it was touched.
type Moves = dyn Fn(Slot, &State, &State) -> Result<bool, String>;

fn canceled(slot: Slot, before: &State, after: &State) -> Result<bool, String> {
    let (was, is) = (before.element(slot), after.element(slot));
    let asked = |state: &State, fence| state.attempt(fence).is_some_and(|attempt| attempt.stopping.is_some());
    match (was, is) {
        (Some(ElementState::Waiting(_)), Some(ElementState::Ended(Ending::Canceled))) => Ok(true),
        (Some(ElementState::Placed(was)), Some(ElementState::Placed(is)))
            if was == is && asked(after, is) =>
        {
            Ok(!asked(before, was))
        }
        (Some(ElementState::Ended(was)), Some(ElementState::Ended(is))) if was == is => Ok(false),
        _ => Err(format!("cancelled, {slot:?} went from {was:?} to {is:?}")),
    }
}

fn queued_again(slot: Slot, before: &State, after: &State) -> Result<bool, String> {
    let (was, is) = (before.element(slot), after.element(slot));
    match (was, is) {
        (
            Some(ElementState::Ended(Ending::Failed | Ending::Canceled)),
            Some(ElementState::Waiting(tries)),
        ) if tries == Tries::default() => Ok(true),
        _ if was == is => Ok(false),
        _ => Err(format!("tried again, {slot:?} went from {was:?} to {is:?}")),
    }
}

fn touched(
    which: &RunSelector,
    differs: &Difference,
    before: &State,
    after: &State,
    moves: &Moves,
) -> Judged {
    let Some((id, run)) = find(before, &which.workspace, &which.run) else {
        return differs.no_more_than(&Difference::default()).map(|()| Did::Nothing);
    };
    let attempts = run.elements.placed().map(|(_, fence)| fence).collect();
    let behind = cascade::behind(before, [id].into_iter());
    let runs: BTreeSet<RunId> = behind.iter().copied().chain([id]).collect();
    let pools = runs.iter().filter_map(|run| before.run(*run)).map(|run| run.pool).collect();
    differs.no_more_than(&Difference { runs, pools, attempts, ..Difference::default() })?;
    for run in behind.iter().filter(|run| differs.runs.contains(run)) {
        cascade::follows(*run, before, after)?;
    }
    if differs.is_none() {
        return Ok(Did::Nothing);
    }
    let meant = selected(which, run.elements.count());
    let mut count = 0;
    for element in 0..run.elements.count() {
        let slot = Slot { run: id, element };
        if meant.contains(&element) {
            count += u64::from(moves(slot, before, after)?);
        } else if before.element(slot) != after.element(slot) {
            return Err(format!("{slot:?} was not meant, and is {:?} after it", after.element(slot)));
        }
    }
    Ok(Did::Touched(count))
}

fn applied_pool(settings: &PoolSettings, differs: &Difference, before: &State, after: &State) -> Judged {
    let Some((id, pool)) = find_pool(after, &settings.workspace, &settings.name) else {
        return differs.no_more_than(&Difference::default()).map(|()| Did::Nothing);
    };
    // Of another team: what its nodes count for is counted there.
    let moved = before.pool(id).filter(|was| was.settings.team != settings.team);
    let used = moved.iter().flat_map(|was| naive::quota::keys(&was.settings));
    let used = used.chain(moved.iter().flat_map(|_| naive::quota::keys(settings))).collect();
    let workspaces = [settings.workspace.clone()].into();
    differs.no_more_than(&Difference { pools: [id].into(), used, workspaces, ..Difference::default() })?;
    match (pool.settings == *settings && !pool.deleting, before.pool(id)) {
        (true, Some(_)) => Ok(Did::Set),
        (true, None) if (pool.nodes, pool.open_runs) == (0, 0) => Ok(Did::Set),
        _ if differs.is_none() => Ok(Did::Nothing),
        _ => Err(format!("{id} is not what was asked for: {pool:?}")),
    }
}

fn deleted_pool(workspace: &str, name: &str, differs: &Difference, before: &State, after: &State) -> Judged {
    let Some((id, _)) = find_pool(before, workspace, name) else {
        return differs.no_more_than(&Difference::default()).map(|()| Did::Nothing);
    };
    let of_it: Vec<(RunId, &Run)> = before.runs().iter().filter(|(_, run)| run.pool == id).collect();
    let attempts = of_it.iter().flat_map(|(_, run)| run.elements.placed()).map(|(_, fence)| fence).collect();
    let behind = cascade::behind(before, of_it.iter().map(|(id, _)| *id));
    let runs: BTreeSet<RunId> = behind.iter().copied().chain(of_it.iter().map(|(id, _)| *id)).collect();
    let pools = runs.iter().filter_map(|run| before.run(*run)).map(|run| run.pool).chain([id]).collect();
    differs.no_more_than(&Difference { runs, attempts, pools, ..Difference::default() })?;
    let others = behind.iter().filter(|run| of_it.iter().all(|(of_it, _)| of_it != *run));
    for run in others.filter(|run| differs.runs.contains(run)) {
        cascade::follows(*run, before, after)?;
    }
    if after.pool(id).is_some_and(|pool| !pool.deleting) {
        return differs.no_more_than(&Difference::default()).map(|()| Did::Nothing);
    }
    for (run, entry) in of_it {
        (0..entry.elements.count())
            .try_for_each(|element| canceled(Slot { run, element }, before, after).map(|_| ()))?;
    }
    Ok(Did::Set)
}

fn added(
    voter: bool,
    replaces: Option<ControllerId>,
    differs: &Difference,
    before: &State,
    after: &State,
) -> Judged {
    if differs.is_none() {
        return Ok(Did::Nothing);
    }
    let new: Vec<ControllerId> =
        differs.controllers.iter().copied().filter(|id| before.controller(*id).is_none()).collect();
    let [id] = new[..] else { return Err(format!("it is not one new controller: {differs:?}")) };
    let controllers = replaces.into_iter().chain([id]).collect();
    differs.no_more_than(&Difference { controllers, ..Difference::default() })?;
    let wish = if voter { Wish::Voter } else { Wish::Learner };
    let as_asked = after.controller(id).is_some_and(|it| it.wish == wish && it.replaces == replaces);
    let goes = |old| after.controller(old).is_some_and(|it| it.wish == Wish::Leaving);
    match as_asked && !before.has_left(id) && replaces.is_none_or(goes) {
        true => Ok(Did::Joins(id)),
        false => Err(format!("{id} is not what was asked for: {:?}", after.controller(id))),
    }
}

fn removed(id: ControllerId, differs: &Difference, after: &State) -> Judged {
    differs.no_more_than(&Difference { controllers: [id].into(), ..Difference::default() })?;
    match after.controller(id).is_some_and(|it| it.wish == Wish::Leaving) {
        true => Ok(Did::Set),
        false if differs.is_none() => Ok(Did::Nothing),
        false => Err(format!("{id} is {:?}", after.controller(id))),
    }
}

fn set_quota(key: &QuotaKey, allowance: Option<Allowance>, differs: &Difference, after: &State) -> Judged {
    if reasons::is_odd(key, allowance.as_ref()) {
        return differs.no_more_than(&Difference::default()).map(|()| Did::Nothing);
    }
    differs.no_more_than(&Difference { allowances: [key.clone()].into(), ..Difference::default() })?;
    match after.quota().allowance(key) == allowance {
        true => Ok(Did::Set),
        false => Err(format!("{key} is granted {:?}", after.quota().allowance(key))),
    }
}

fn set_workspace(name: &str, limits: RunLimits, differs: &Difference, after: &State) -> Judged {
    if !reasons::is_name(name) {
        return differs.no_more_than(&Difference::default()).map(|()| Did::Nothing);
    }
    differs.no_more_than(&Difference { workspaces: [name.to_owned()].into(), ..Difference::default() })?;
    let is = after.workspaces().find(|workspace| *workspace.name == *name);
    match is.is_some_and(|workspace| workspace.limits == limits) {
        true => Ok(Did::Set),
        false => Err(format!("workspace {name} is {is:?}")),
    }
}
