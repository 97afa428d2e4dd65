//! What clients ask for.

use super::{Applying, State, Touched};
use crate::command::{
    ClientCommand, DependsOn, PoolSettings, QuotaKey, RunLimits, RunSelector, Scheduling, Submit,
};
use crate::effect::Outcome;
use crate::event::What;
use crate::ids::{PoolId, RunId, Slot, WorkspaceId};
use crate::limits::agreed;
use crate::message::StopCause;
use crate::mutants::{self, Mutant};
use crate::refusal::Refusal;
use crate::state::elements::{ElementState, Elements};
use crate::state::pools::{self, Pool};
use crate::state::quota::{self, Account, Allowance};
use crate::state::runs::{Band, Run, Terms};
use crate::time::Millis;
use std::collections::BTreeMap;

type Answer = Result<Outcome, Refusal>;

impl State {
    pub(super) fn apply_client(&mut self, command: &ClientCommand, at: &mut Applying<'_>) -> Answer {
        match command {
            ClientCommand::Submit(submit) => self.submit(submit, at),
            ClientCommand::Cancel(which) => self.cancel(which, at),
            ClientCommand::Retry(which) => self.retry(which, at),
            ClientCommand::ApplyPool(settings) => self.apply_pool(settings, at),
            ClientCommand::DeletePool { workspace, pool, force } => {
                self.delete_pool(workspace, pool, *force, at)
            }
            ClientCommand::AddController { voter, replaces } => self.add_controller(*voter, *replaces, at),
            ClientCommand::RemoveController { id } => self.remove_controller(*id, at),
            ClientCommand::SetWorkspace { workspace, limits } => self.set_workspace(workspace, *limits, at),
            ClientCommand::SetQuota { key, allowance } => self.set_quota(key, *allowance, at),
        }
    }

    fn set_quota(&mut self, key: &QuotaKey, allowance: Option<Allowance>, at: &mut Applying<'_>) -> Answer {
        quota::check(key, allowance.as_ref())?;
        let now = self.moment();
        if allowance.is_some() || !mutants::is(Mutant::KeepLimit) {
            self.quota.set(key, allowance, now);
        }
        at.touch(Touched::Quota);
        at.event(What::QuotaSet { key: key.clone(), allowance });
        Ok(Outcome::Done)
    }

    fn submit(&mut self, submit: &Submit, at: &mut Applying<'_>) -> Answer {
        check_name("run name", &submit.name)?;
        check_name("workspace", &submit.workspace)?;
        submit.scheduling.team.as_ref().map_or(Ok(()), |team| check_name("team", team))?;
        let workspace = self.workspace(&submit.workspace).ok_or(Refusal::NoPool)?;
        if let Some((run, known)) = self.runs.find(workspace, &submit.name)
            && !mutants::is(Mutant::ForgetNames)
        {
            return match known.digest == submit.digest && known.elements.count() == submit.count {
                true => Ok(Outcome::Submitted { run, known: true }),
                false => Err(Refusal::NameConflict { name: submit.name.clone(), run }),
            };
        }
        check_amounts(submit)?;
        let (pool_id, pool) = self.pool_for(workspace, submit)?;
        let pool_name = pool.settings.name.clone();
        self.may_open(workspace)?;
        let after = self.prerequisites(workspace, &submit.scheduling.after)?;
        if let Some(unmet) = self.unmet(&after).and_then(|run| self.runs.get(run)) {
            let (run, after) = (submit.name.clone(), unmet.name.to_string());
            return Err(Refusal::PrerequisiteNotMet { run, after });
        }
        let short = submit.count > 1 && mutants::is(Mutant::ShortArray);
        let run = self.runs.add(Run {
            name: submit.name.as_str().into(),
            workspace,
            pool: pool_id,
            need: submit.need,
            priority: submit.priority,
            band: Band::of(submit.priority),
            queued: self.now,
            pending: 0,
            terms: terms(&submit.scheduling, after),
            retries: submit.retries,
            on_disconnect: submit.on_disconnect,
            grace: submit.grace,
            digest: submit.digest,
            submitted: at.wall,
            ended: None,
            cancel_requested: false,
            elements: Elements::new(submit.count - u32::from(short)),
        });
        self.wait_for_prerequisites(run);
        self.opened(workspace, pool_id);
        at.touch(Touched::Run(run));
        at.event(What::Submitted { run, pool: pool_name, submit: Box::new(submit.clone()) });
        Ok(Outcome::Submitted { run, known: false })
    }

    /// Refuses one run more than its workspace may have.
    fn may_open(&self, id: WorkspaceId) -> Result<(), Refusal> {
        let Some(workspace) = self.workspaces.get(&id) else { return Ok(()) };
        match workspace.limits.max_open.filter(|most| workspace.open >= *most) {
            Some(limit) => {
                let (workspace, open) = (workspace.name.to_string(), workspace.open);
                Err(Refusal::TooManyRuns { workspace, open, limit })
            }
            None => Ok(()),
        }
    }

    fn opened(&mut self, workspace: WorkspaceId, pool: PoolId) {
        if let Some(workspace) = self.workspaces.get_mut(&workspace) {
            workspace.open += 1;
        }
        if let Some(pool) = self.pools.get_mut(&pool) {
            pool.open_runs += if mutants::is(Mutant::MiscountOpenRuns) { 2 } else { 1 };
        }
    }

    fn set_workspace(&mut self, name: &str, limits: RunLimits, at: &mut Applying<'_>) -> Answer {
        check_name("workspace", name)?;
        let id = self.workspace_or_new(name);
        if let Some(workspace) = self.workspaces.get_mut(&id) {
            workspace.limits = limits;
        }
        at.touch(Touched::Workspace(id));
        at.event(What::WorkspaceSet { workspace: name.to_owned(), limits });
        Ok(Outcome::Done)
    }

    fn pool_for(&self, workspace: WorkspaceId, submit: &Submit) -> Result<(PoolId, &Pool), Refusal> {
        let found = match &submit.pool {
            Some(name) => {
                self.find_pool(workspace, name).ok_or_else(|| Refusal::UnknownPool(name.clone()))?
            }
            None => self.default_pool(workspace).ok_or(Refusal::NoPool)?,
        };
        let (_, pool) = found;
        if pool.deleting {
            return Err(Refusal::PoolDeleting(pool.settings.name.clone()));
        }
        match pool.capacity().fits(&submit.need.on(pool.capacity())) {
            true => Ok(found),
            false => Err(Refusal::NeverFits {
                pool: pool.settings.name.clone(),
                size: pool.settings.size.name.clone(),
                need: submit.need.to_string(),
                capacity: pool.capacity().to_string(),
            }),
        }
    }

    fn select(&self, which: &RunSelector) -> Result<RunId, Refusal> {
        let (id, run) = self
            .find_run(&which.workspace, &which.run)
            .ok_or_else(|| Refusal::UnknownRun(which.run.chars().take(300).collect()))?;
        match which.element.filter(|element| *element >= run.elements.count()) {
            Some(element) => {
                Err(Refusal::UnknownElement { name: which.run.clone(), element, count: run.elements.count() })
            }
            None => Ok(id),
        }
    }

    fn cancel(&mut self, which: &RunSelector, at: &mut Applying<'_>) -> Answer {
        let id = self.select(which)?;
        let elements = self.cancel_elements(id, which.element, at);
        match elements {
            0 if self.runs.get(id).is_some_and(|run| run.cancel_requested && !run.elements.is_over()) => {
                Ok(Outcome::Touched { elements: 0 })
            }
            0 => Err(Refusal::AlreadyEnded(which.run.clone())),
            elements => Ok(Outcome::Touched { elements }),
        }
    }

    /// Ends what waits, and asks what is on a node to stop.
    pub(super) fn cancel_elements(&mut self, id: RunId, only: Option<u32>, at: &mut Applying<'_>) -> u64 {
        let Some(run) = self.runs.get_mut(id) else {
            return 0;
        };
        let over = run.elements.is_over();
        let ranges = run.elements.cancel_waiting(only);
        if only.is_none() && !over {
            run.cancel_requested = true;
        }
        let placed: Vec<_> =
            run.elements.placed().filter(|(e, _)| only.is_none_or(|only| only == *e)).collect();
        let mut touched: u64 = ranges.iter().map(|(from, to)| u64::from(to - from)).sum();
        if touched > 0 || !placed.is_empty() {
            at.event(What::CancelRequested { run: id, element: only });
        }
        for (from, to) in ranges {
            at.event(What::Canceled { run: id, from, to });
        }
        for (_, fence) in placed {
            touched += u64::from(self.ask_to_stop(fence, StopCause::Canceled, at));
        }
        at.touch(Touched::Run(id));
        if !mutants::is(Mutant::CancelForgetsToEnd) {
            self.close_if_over(id, at);
        }
        touched
    }

    fn retry(&mut self, which: &RunSelector, at: &mut Applying<'_>) -> Answer {
        let id = self.select(which)?;
        let nothing = || Refusal::NothingToRetry(which.run.clone());
        let run = self.runs.get(id).ok_or_else(nothing)?;
        // On a pool that is gone, or goes once it is empty, it would wait for ever.
        match self.pools.get(&run.pool) {
            Some(pool) if !pool.deleting => {}
            Some(pool) => return Err(Refusal::PoolDeleting(pool.settings.name.clone())),
            None => return Err(Refusal::PoolDeleting(format!("of run {}", which.run))),
        }
        let after = run.terms.as_ref().map(|terms| terms.after.clone()).unwrap_or_default();
        if let Some(unmet) = self.unmet(&after).and_then(|run| self.runs.get(run)) {
            let (run, after) = (which.run.clone(), unmet.name.to_string());
            return Err(Refusal::PrerequisiteNotMet { run, after });
        }
        if run.ended.is_some() {
            self.may_open(run.workspace)?;
        }
        let run = self.runs.get_mut(id).ok_or_else(nothing)?;
        let was_over = run.elements.is_over();
        let elements = run.elements.retry(which.element);
        if elements == 0 {
            return Err(nothing());
        }
        run.cancel_requested = false;
        let pool = run.pool;
        if was_over {
            let workspace = run.workspace;
            self.runs.set_ended(id, None);
            self.opened(workspace, pool);
            self.wait_for_prerequisites(id);
        }
        if !mutants::is(Mutant::IndexForgetsRetry) {
            at.touch(Touched::Run(id));
        }
        at.event(What::Retried { run: id, element: which.element });
        Ok(Outcome::Touched { elements })
    }

    fn apply_pool(&mut self, settings: &PoolSettings, at: &mut Applying<'_>) -> Answer {
        check_name("workspace", &settings.workspace)?;
        check_name("pool name", &settings.name)?;
        settings.team.as_ref().map_or(Ok(()), |team| check_name("team", team))?;
        pools::check(settings)?;
        let workspace = self.workspace_or_new(&settings.workspace);
        let id = match self.find_pool(workspace, &settings.name).map(|(id, _)| id) {
            Some(id) => self.change_pool(id, settings, at)?,
            None => {
                self.next_pool += 1;
                let id = PoolId(self.next_pool);
                self.pools.insert(
                    id,
                    Pool {
                        workspace,
                        settings: settings.clone(),
                        deleting: false,
                        nodes: 0,
                        open_runs: 0,
                        boot_failures: 0,
                        retry_at: Millis::default(),
                        last_failure: None,
                        teams: BTreeMap::new(),
                    },
                );
                id
            }
        };
        at.touch(Touched::Pool(id));
        at.event(What::PoolApplied { workspace: settings.workspace.clone(), pool: settings.name.clone() });
        Ok(Outcome::Done)
    }

    fn change_pool(
        &mut self,
        id: PoolId,
        settings: &PoolSettings,
        at: &mut Applying<'_>,
    ) -> Result<PoolId, Refusal> {
        let bad = |reason: &str| Err(Refusal::BadPool { pool: settings.name.clone(), reason: reason.into() });
        let Some(pool) = self.pools.get_mut(&id) else {
            return bad("it is gone");
        };
        if pool.deleting {
            return Err(Refusal::PoolDeleting(settings.name.clone()));
        }
        let old = &pool.settings;
        if (&old.size, old.tier, &old.region) != (&settings.size, settings.tier, &settings.region) {
            return bad(
                "size, tier and location of a pool cannot change; make another pool, then delete this one",
            );
        }
        let (before, order) = (pool.account(), pool.settings.order);
        pool.settings = settings.clone();
        pool.retry_at = self.now;
        let after = pool.account();
        if before != after {
            self.move_charges(id, &before, &after);
            // What they counted for before has room again.
            at.touch(Touched::Quota);
        }
        if order != settings.order {
            at.touch(Touched::Order(id));
        }
        Ok(id)
    }

    /// What a pool's nodes count for goes to another account.
    fn move_charges(&mut self, pool: PoolId, from: &Account, to: &Account) {
        let now = self.moment();
        let vcpu = self.pools.get(&pool).map_or(0, |pool| u64::from(pool.capacity().vcpu));
        for (_, node) in self.nodes.iter().filter(|(_, node)| node.pool == pool) {
            self.quota.refund(from, node.stage(), vcpu, now);
            self.quota.charge(to, node.stage(), vcpu, now);
        }
    }

    fn delete_pool(&mut self, workspace: &str, name: &str, force: bool, at: &mut Applying<'_>) -> Answer {
        let unknown = || Refusal::UnknownPool(name.to_owned());
        let id =
            self.workspace(workspace).and_then(|w| Some(self.find_pool(w, name)?.0)).ok_or_else(unknown)?;
        let pool = self.pools.get_mut(&id).ok_or_else(unknown)?;
        if pool.deleting {
            // Asked for again before its last run has ended: it is on its way.
            return Ok(Outcome::Done);
        }
        if pool.open_runs > 0 && !force {
            return Err(Refusal::PoolInUse { pool: name.to_owned(), runs: pool.open_runs });
        }
        pool.deleting = true;
        let open: Vec<RunId> =
            self.runs.iter().filter(|(_, r)| r.pool == id && r.ended.is_none()).map(|r| r.0).collect();
        for run in open {
            self.cancel_elements(run, None, at);
        }
        at.touch(Touched::Pool(id));
        self.drop_pool_if_empty(id, at);
        Ok(Outcome::Done)
    }

    /// The state of one element; for reading alone.
    pub fn element(&self, slot: Slot) -> Option<ElementState> {
        self.runs.get(slot.run)?.elements.state(slot.element)
    }
}

/// What only some runs have; nothing for most.
fn terms(scheduling: &Scheduling, after: Vec<(RunId, DependsOn)>) -> Option<Box<Terms>> {
    let team = scheduling.team.as_deref().map(Box::from);
    let terms = Terms { team, after, max_concurrent: scheduling.max_concurrent };
    (terms != Terms::default()).then(|| Box::new(terms))
}

/// Refuses what is too large, and what would never start.
fn check_amounts(submit: &Submit) -> Result<(), Refusal> {
    check_size("the number of elements", u64::from(submit.count), u64::from(agreed::ELEMENTS))?;
    let body = "the size of the specification in bytes";
    check_size(body, submit.body.len() as u64, agreed::BODY_BYTES as u64)?;
    let bad = |reason: &str| Err(Refusal::BadRun { run: submit.name.clone(), reason: reason.into() });
    if submit.count == 0 {
        return bad("a count of 0 leaves nothing to run; ask for 1 element or more");
    }
    if submit.scheduling.max_concurrent == Some(0) {
        return bad(
            "with a `max_concurrent` of 0 it would never start; allow 1 element or more, or leave it out",
        );
    }
    Ok(())
}

fn check_size(what: &'static str, is: u64, limit: u64) -> Result<(), Refusal> {
    if is > limit { Err(Refusal::TooMuch { what: what.into(), is, limit }) } else { Ok(()) }
}

/// Names go into URLs, file names and command lines.
pub(in crate::state) fn check_name(what: &'static str, name: &str) -> Result<(), Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = name.len() <= 255
        && name.chars().all(plain)
        && name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    if good {
        Ok(())
    } else {
        Err(Refusal::BadName { what: what.into(), name: name.chars().take(300).collect() })
    }
}
