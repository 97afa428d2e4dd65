//! What clients asked for and was done, by place in the log: their runs, their pools and the limits that were set.

use super::did::prerequisites;
use super::{find_pool, is_as_asked};
use crate::checkers::is_due;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{
    Command, DependsOn, Entry, PlanCommand, PoolSettings, QuotaKey, RunLimits, Submit,
};
use tidegate_scheduler::ids::RunId;
use tidegate_scheduler::state::quota::Allowance;
use tidegate_scheduler::state::runs::Run;

/// Workspace and name; names of pools without case.
type Name = (String, String);

/// A value by the entry that set it; the newest one at or before an entry holds there.
#[derive(Clone, Debug)]
struct Register<T>(Vec<(u64, Option<T>)>);

impl<T> Default for Register<T> {
    fn default() -> Self {
        Register(Vec::new())
    }
}

impl<T> Register<T> {
    fn set(&mut self, index: u64, value: Option<T>) {
        self.0.push((index, value));
    }

    fn at(&self, index: u64) -> Option<&T> {
        let newest = self.0.iter().rev().find(|(set, _)| *set <= index);
        newest.and_then(|(_, value)| value.as_ref())
    }
}

#[derive(Clone, Debug)]
struct Made {
    index: u64,
    submit: Submit,
    forgotten: Option<u64>,
    /// What it is to start after.
    after: Vec<(RunId, DependsOn)>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Account {
    runs: BTreeMap<RunId, Made>,
    allowances: BTreeMap<QuotaKey, Register<Allowance>>,
    workspaces: BTreeMap<String, Register<RunLimits>>,
    pools: BTreeMap<Name, Register<PoolSettings>>,
    /// Pools that somebody asked to be deleted.
    going: BTreeSet<Name>,
    /// Runs that the planner let go of in the newest entry.
    let_go: BTreeSet<RunId>,
    lost: Vec<RunId>,
}

impl Account {
    pub(super) fn made(&mut self, index: u64, run: RunId, submit: &Submit, before: &State) {
        let after = prerequisites(submit, before).unwrap_or_default();
        // The body is not in the state: its digest is.
        let submit = Submit { body: Vec::new(), ..submit.clone() };
        self.runs.insert(run, Made { index, submit, forgotten: None, after });
    }

    pub(super) fn allowance(&mut self, index: u64, key: &QuotaKey, allowance: Option<Allowance>) {
        self.allowances.entry(key.clone()).or_default().set(index, allowance);
    }

    pub(super) fn workspace(&mut self, index: u64, name: &str, limits: RunLimits) {
        self.workspaces.entry(name.to_owned()).or_default().set(index, Some(limits));
    }

    pub(super) fn pool(&mut self, index: u64, settings: &PoolSettings) {
        let name = (settings.workspace.clone(), settings.name.to_ascii_lowercase());
        self.pools.entry(name).or_default().set(index, Some(settings.clone()));
    }

    pub(super) fn pool_goes(&mut self, workspace: &str, pool: &str) {
        self.going.insert((workspace.to_owned(), pool.to_ascii_lowercase()));
    }

    pub(super) fn forgotten(&mut self, index: u64, run: RunId) {
        match self.runs.get_mut(&run) {
            Some(made) => made.forgotten = Some(index),
            None => self.lost.push(run),
        }
    }

    /// Runs that the planner asks to be forgotten may go, and pools that are to be deleted.
    pub(super) fn lets_go(&mut self, entry: &Entry, after: &State) {
        self.let_go.clear();
        for command in &entry.commands {
            if let Command::Plan(PlanCommand::Forget { runs }) = command {
                self.let_go.extend(runs);
            }
        }
        let index = after.applied();
        let gone: Vec<Name> =
            self.going.iter().filter(|(w, name)| find_pool(after, w, name).is_none()).cloned().collect();
        for name in gone {
            self.going.remove(&name);
            self.pools.entry(name).or_default().set(index, None);
        }
    }

    /// Whether a run of this name was made and is still there.
    pub(super) fn lives(&self, workspace: &str, name: &str, state: &State) -> bool {
        let named = |made: &Made| made.submit.workspace == workspace && made.submit.name == name;
        self.runs.iter().any(|(id, made)| named(made) && made.forgotten.is_none() && state.run(*id).is_some())
    }

    /// Whether this run was made as this submission asks, or as one that asks for the same.
    pub(super) fn is_made(&self, run: RunId, submit: &Submit) -> bool {
        self.runs.get(&run).is_some_and(|Made { submit: made, .. }| {
            (&made.workspace, &made.name) == (&submit.workspace, &submit.name)
                && (made.count, made.digest) == (submit.count, submit.digest)
        })
    }

    /// After an entry: all is there as it was asked for.
    pub(super) fn compare(&mut self, index: u64, after: &State, broken: &mut Vec<String>) {
        broken.extend(self.lost.drain(..).map(|run| format!("{run} is gone, and nobody had asked for it")));
        for (run, made) in self.runs.iter().filter(|(_, made)| made.forgotten == Some(index)) {
            if !self.let_go.contains(run) {
                broken.push(format!("run {} of entry {} is gone", made.submit.name, made.index));
            }
        }
        if is_due(index, after) {
            self.show_each_run(after, broken);
        }
        self.show_the_rest(after, broken);
    }

    /// What a state that stands at some entry must show.
    pub(super) fn show(&self, state: &State, broken: &mut Vec<String>) {
        self.show_each_run(state, broken);
        self.show_the_rest(state, broken);
    }

    /// The runs that are there after this entry.
    fn there(&self, index: u64) -> impl Iterator<Item = (&RunId, &Made)> {
        let there = move |made: &Made| {
            made.index <= index && made.forgotten.is_none_or(|forgotten| forgotten > index)
        };
        self.runs.iter().filter(move |(_, made)| there(made))
    }

    /// That each run is as it was asked for.
    fn show_each_run(&self, state: &State, broken: &mut Vec<String>) {
        for (id, made) in self.there(state.applied()) {
            let is_so = |run: &Run| {
                let after = run.terms.as_ref().map(|terms| terms.after.as_slice()).unwrap_or_default();
                is_as_asked(&made.submit, run, state) && after == made.after
            };
            if !state.run(*id).is_some_and(is_so) {
                broken.push(format!(
                    "run {} of entry {} is not there as it was asked for: {:?}",
                    made.submit.name,
                    made.index,
                    state.run(*id)
                ));
            }
        }
    }

    /// That there are as many runs as were made, and what was asked of allowances, workspaces and pools.
    fn show_the_rest(&self, state: &State, broken: &mut Vec<String>) {
        let index = state.applied();
        let runs = self.there(index).count();
        if state.runs().len() != runs {
            broken.push(format!("there are {} runs, and clients made {runs}", state.runs().len()));
        }
        for (key, register) in &self.allowances {
            let (is, asked) = (state.quota().allowance(key), register.at(index).copied());
            if is != asked {
                broken.push(format!("{key} is granted {is:?}, and {asked:?} was asked for"));
            }
        }
        for key in state.quota().keys().filter(|key| state.quota().allowance(key).is_some()) {
            if !self.allowances.contains_key(&key) {
                broken.push(format!("{key} is granted something, and nobody asked for it"));
            }
        }
        for workspace in state.workspaces() {
            let asked =
                self.workspaces.get(&*workspace.name).and_then(|register| register.at(index).copied());
            if workspace.limits != asked.unwrap_or_default() {
                broken.push(format!("workspace {workspace:?}, and {asked:?} was asked for"));
            }
        }
        for ((workspace, name), register) in &self.pools {
            let is = find_pool(state, workspace, name).map(|(_, pool)| &pool.settings);
            if is != register.at(index) {
                broken.push(format!("pool {name} is {is:?}, and {:?} was asked for", register.at(index)));
            }
        }
        let pools = self.pools.values().filter(|register| register.at(index).is_some()).count();
        if state.pools().count() != pools {
            broken.push(format!("there are {} pools, and clients made {pools}", state.pools().count()));
        }
    }
}
