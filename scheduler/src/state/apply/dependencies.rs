//! Runs that wait for other runs to end.

use super::{Applying, State, Touched};
use crate::command::{After, DependsOn};
use crate::event::{Ending, What};
use crate::ids::{RunId, WorkspaceId};
use crate::limits::agreed;
use crate::mutants::{self, Mutant};
use crate::refusal::Refusal;
use std::collections::BTreeSet;

impl State {
    /// The runs that a submission waits for.
    pub(super) fn prerequisites(
        &self,
        workspace: WorkspaceId,
        after: &[After],
    ) -> Result<Vec<(RunId, DependsOn)>, Refusal> {
        if after.len() > agreed::PREREQUISITES {
            let (is, limit) = (after.len() as u64, agreed::PREREQUISITES as u64);
            return Err(Refusal::TooMuch { what: "the number of runs to wait for".into(), is, limit });
        }
        let find = |after: &After| match self.runs.find(workspace, &after.run) {
            Some((run, _)) => Ok((run, after.on)),
            None => Err(Refusal::UnknownRun(after.run.chars().take(300).collect())),
        };
        let mut found = after.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The first of them that has ended otherwise than it must.
    pub(super) fn unmet(&self, after: &[(RunId, DependsOn)]) -> Option<RunId> {
        let ending = |run: &RunId| self.runs.get(*run)?.elements.ending();
        after
            .iter()
            .find(|(run, on)| ending(run).is_some_and(|ending| !on.is_met_by(ending)))
            .map(|(run, _)| *run)
    }

    /// Has a run wait for those of its prerequisites that have not ended.
    pub(super) fn wait_for_prerequisites(&mut self, id: RunId) {
        let Some(run) = self.runs.get(id) else { return };
        let after = run.terms.as_ref().map(|terms| terms.after.clone()).unwrap_or_default();
        let open = |run: &RunId| self.runs.get(*run).is_some_and(|run| run.ended.is_none());
        // One that is named twice, with several ends, is waited for once.
        let open: BTreeSet<RunId> = after.into_iter().map(|(run, _)| run).filter(open).collect();
        for prerequisite in &open {
            self.dependents.insert((*prerequisite, id), ());
        }
        if let Some(run) = self.runs.get_mut(id) {
            run.pending = open.len() as u32;
        }
    }

    /// A run that is over waits for nothing more.
    pub(super) fn stop_waiting(&mut self, id: RunId) {
        let Some(run) = self.runs.get_mut(id).filter(|run| run.pending > 0) else { return };
        run.pending = 0;
        let after = run.terms.as_ref().map(|terms| terms.after.clone()).unwrap_or_default();
        for (prerequisite, _) in after {
            self.dependents.remove(&(prerequisite, id));
        }
    }

    /// Lets go, or cancels, what waited for runs that have ended; and what waited for those, in turn.
    pub(super) fn settle_dependents(&mut self, at: &mut Applying<'_>) {
        while let Some(ended) = at.changes.closed.pop() {
            let Some(ending) = self.runs.get(ended).and_then(|run| run.elements.ending()) else { continue };
            let waiting = self.dependents.range((ended, RunId(0))..=(ended, RunId(u64::MAX)));
            let waiting: Vec<RunId> = waiting.map(|((_, run), ())| run).collect();
            for dependent in waiting {
                self.dependents.remove(&(ended, dependent));
                let met = self.is_met(dependent, ended, ending);
                self.settle_dependent(dependent, ended, met, at);
            }
        }
    }

    /// Whether a run ended in every way in which another one has it end.
    fn is_met(&self, dependent: RunId, ended: RunId, ending: Ending) -> bool {
        let terms = self.runs.get(dependent).and_then(|run| run.terms.as_ref());
        let after = terms.map(|terms| terms.after.as_slice()).unwrap_or_default();
        after.iter().filter(|(run, _)| *run == ended).all(|(_, on)| on.is_met_by(ending))
    }

    fn settle_dependent(&mut self, id: RunId, ended: RunId, met: bool, at: &mut Applying<'_>) {
        let Some(run) = self.runs.get_mut(id) else { return };
        run.pending = run.pending.saturating_sub(1);
        if met || mutants::is(Mutant::StartInVain) {
            run.queued = self.now;
            at.touch(Touched::Run(id));
        } else {
            at.event(What::PrerequisiteNotMet { run: id, after: ended });
            self.cancel_elements(id, None, at);
        }
    }

    /// How a run ended that another one waits for, or waited for.
    pub fn prerequisite(&self, run: RunId) -> Option<(&str, Option<Ending>)> {
        self.runs.get(run).map(|run| (&*run.name, run.elements.ending()))
    }
}
