//! A run that is to start after others does not start before they have ended as they must; when one of them ends
//! otherwise, it is cancelled at once; and nobody waits for what has ended. Kept from events alone.

use super::{Applied, Checker, is_due};
use crate::coverage::{Coverage, Mark};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::State;
use tidegate_scheduler::command::{DependsOn, Submit};
use tidegate_scheduler::event::{Ending, What};
use tidegate_scheduler::ids::RunId;

type Conditions = Vec<(RunId, DependsOn)>;

/// Dependencies are kept.
#[derive(Default)]
pub(super) struct DependenciesAreKept {
    /// Of each run that is remembered: how it ended, if it has.
    ended: BTreeMap<RunId, Option<Ending>>,
    conditions: BTreeMap<RunId, Conditions>,
    /// What runs that have not ended wait for.
    waits: BTreeMap<RunId, BTreeSet<RunId>>,
    /// Those that can no longer start, by whose end.
    doomed: BTreeMap<RunId, RunId>,
}

fn is_met(on: DependsOn, ending: Ending) -> bool {
    match (on, ending) {
        (DependsOn::Ended, _) | (DependsOn::Completed, Ending::Completed) => true,
        (DependsOn::Failed, Ending::Failed | Ending::Canceled) => true,
        (DependsOn::Completed, Ending::Failed | Ending::Canceled)
        | (DependsOn::Failed, Ending::Completed) => false,
    }
}

fn named(state: &State, workspace: &str, name: &str) -> Option<RunId> {
    let is = |(_, run): &(RunId, &tidegate_scheduler::state::runs::Run)| {
        *run.name == *name && state.workspace_name(run.workspace) == workspace
    };
    state.runs().iter().find(is).map(|(id, _)| id)
}

impl DependenciesAreKept {
    fn submitted(&mut self, run: RunId, submit: &Submit, at: &Applied<'_>, broken: &mut Vec<String>) {
        let mut conditions = Conditions::new();
        for after in &submit.scheduling.after {
            match named(at.after, &submit.workspace, &after.run)
                .or_else(|| named(at.before, &submit.workspace, &after.run))
            {
                Some(id) => conditions.push((id, after.on)),
                None => broken.push(format!("{run} waits for {}, which there never was", after.run)),
            }
        }
        self.ended.insert(run, None);
        self.conditions.insert(run, conditions);
        self.begins(run, broken);
    }

    /// From now on it waits for those that have not ended; the others ended as they must.
    fn begins(&mut self, run: RunId, broken: &mut Vec<String>) {
        let mut waits = BTreeSet::new();
        for (first, on) in self.conditions.get(&run).into_iter().flatten() {
            match self.ended.get(first) {
                Some(None) => drop(waits.insert(*first)),
                Some(Some(ending)) if !is_met(*on, *ending) => {
                    broken.push(format!("{run} is accepted, and {first} has ended as {ending:?}"));
                }
                Some(Some(_)) | None => {}
            }
        }
        self.waits.insert(run, waits);
    }

    fn over(&mut self, run: RunId, ending: Ending, coverage: &mut Coverage) {
        self.ended.insert(run, Some(ending));
        self.waits.remove(&run);
        self.doomed.remove(&run);
        for (other, waits) in &mut self.waits {
            if !waits.remove(&run) {
                continue;
            }
            let of_it = self.conditions.get(other).into_iter().flatten().filter(|(first, _)| *first == run);
            if !of_it.clone().all(|(_, on)| is_met(*on, ending)) {
                self.doomed.insert(*other, run);
            } else if waits.is_empty() {
                coverage.mark(Mark::LetGo);
            }
        }
    }

    fn follow(&mut self, what: &What, at: &Applied<'_>, coverage: &mut Coverage, broken: &mut Vec<String>) {
        match what {
            What::Submitted { run, submit, .. } => self.submitted(*run, submit, at, broken),
            What::Started { slot, .. } => {
                let waits = self.waits.get(&slot.run).filter(|waits| !waits.is_empty());
                if let Some(first) = waits {
                    broken.push(format!("{} starts, and waits for {first:?}", slot.run));
                }
                if let Some(first) = self.doomed.get(&slot.run) {
                    broken.push(format!("{} starts, and {first} ended otherwise than it must", slot.run));
                }
            }
            What::RunEnded { run, ending } => self.over(*run, *ending, coverage),
            What::PrerequisiteNotMet { run, after } => {
                coverage.mark(Mark::NotMet);
                if self.doomed.get(run) != Some(after) {
                    broken.push(format!("{run} is said to wait in vain for {after}"));
                }
            }
            What::Retried { run, .. } => {
                if self.ended.get(run).copied().flatten().is_some() {
                    self.ended.insert(*run, None);
                    self.begins(*run, broken);
                }
            }
            What::Forgotten { runs } => {
                for run in runs {
                    self.ended.remove(run);
                    self.conditions.remove(run);
                    self.waits.remove(run);
                }
            }
            What::Ended { .. }
            | What::Requeued { .. }
            | What::Canceled { .. }
            | What::Abandoned { .. }
            | What::Promoted { .. }
            | What::WorkspaceSet { .. }
            | What::CancelRequested { .. }
            | What::PoolApplied { .. }
            | What::PoolDeleted { .. }
            | What::QuotaSet { .. }
            | What::Node { .. } => {}
        }
    }

    fn compare(&self, state: &State, broken: &mut Vec<String>) {
        for (id, run) in state.runs().iter() {
            let waits = self.waits.get(&id).map_or(0, BTreeSet::len);
            if run.pending as usize != waits {
                broken.push(format!(
                    "{id} waits for {} runs, and for {waits} by history: {:?}",
                    run.pending, self.conditions[&id]
                ));
            }
        }
    }
}

impl Checker for DependenciesAreKept {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let mut broken = Vec::new();
        for event in &at.changes.events {
            self.follow(&event.what, at, coverage, &mut broken);
        }
        for (run, first) in std::mem::take(&mut self.doomed) {
            broken.push(format!("{run} is not cancelled, and {first} ended otherwise than it must"));
        }
        if is_due(at.index, at.after) {
            self.compare(at.after, &mut broken);
        }
        found.extend(
            broken.into_iter().map(|what| format!("dependencies are kept: entry {}: {what}", at.index)),
        );
    }

    fn at_rest(&mut self, state: &State, found: &mut Vec<String>) {
        let mut broken = Vec::new();
        self.compare(state, &mut broken);
        found.extend(broken.into_iter().map(|what| format!("dependencies are kept: {what}")));
    }
}
