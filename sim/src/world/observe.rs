//! Looking at a controller after each step: what it wrote, applied and told must be what all others do.

use super::World;
use crate::checkers::{committed_is_durable, compare_index, replicas_agree};
use crate::coverage::Mark;
use tidegate_scheduler::{Core, Effect};

impl World {
    /// Called with all that a step told, before any of it is done.
    pub(super) fn observe(&mut self, id: u64, effects: &[Effect]) {
        self.note_written(id, effects);
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let Some(core) = &controller.core else { return };
        let installed = effects.iter().rev().find_map(|effect| {
            let Effect::Installed { index } = effect else { return None };
            Some(*index)
        });
        let from = installed.unwrap_or(controller.observed).max(controller.observed);
        let to = core.state().applied();
        controller.observed = to;
        let members = core.members().clone();
        controller.members = members.clone();
        let applied: Vec<(u64, Option<u64>)> =
            (from + 1..=to).map(|index| (index, controller.terms.get(&index).copied())).collect();
        for (index, term) in &applied {
            if *index == self.reference.index() + 1
                && let Some(term) = term
            {
                let version = self.reference.state().version();
                self.reference.commit(*term, &mut self.coverage, &mut self.found);
                self.note_version(version);
                if self.recent_members.last() != Some(&members) {
                    self.coverage.mark(Mark::MembersChanged);
                    self.recent_members.push(members.clone());
                    let surplus = self.recent_members.len().saturating_sub(3);
                    self.recent_members.drain(..surplus);
                    self.members = members.clone();
                    self.note_replaced();
                }
                let entry = (*index, *term);
                let recent = &self.recent_members;
                committed_is_durable::check(&self.controllers, recent, entry, &mut self.found);
                self.history.mix(&[*index, *term]);
            }
        }
        let found = &mut self.found;
        replicas_agree::terms(id, applied.iter().copied(), &self.reference, found);
        let indexes = applied.iter().map(|(index, _)| *index);
        replicas_agree::events(id, effects, indexes, &self.reference, found);
        if installed.is_some() || replicas_agree::is_due(from, to) {
            self.compare_state(id);
        }
        self.note_leader(id);
    }

    fn note_written(&mut self, id: u64, effects: &[Effect]) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let leading = controller.core.as_ref().filter(|core| core.is_leading());
        for effect in effects {
            let Effect::Persist(persist) = effect else { continue };
            if persist.snapshot.is_some() {
                controller.terms.clear();
            }
            if let Some(first) = persist.entries.first() {
                controller.terms.split_off(&first.index);
            }
            for entry in &persist.entries {
                controller.terms.insert(entry.index, entry.term);
                self.reference.wrote(entry, &mut self.found);
                if let Some(core) = leading.filter(|core| core.term() == entry.term) {
                    let limits = &self.swarm.limits;
                    let now = self.engine.now();
                    self.silence.proposes(id, entry, limits, now, &mut self.found);
                    if !core.is_draining() {
                        self.reference.planned(entry.index, entry.term, core.watch().silent());
                    }
                }
            }
        }
    }

    /// Compares the whole state with the agreed one, and the index with what it is derived from.
    pub(super) fn compare_state(&mut self, id: u64) {
        let Some(core) = self.controllers.get(&id).and_then(|controller| controller.core.as_ref()) else {
            return;
        };
        replicas_agree::states(core, &self.reference, &mut self.found);
        compare_index(core, &mut self.found);
    }

    fn note_leader(&mut self, id: u64) {
        let Some(core) = self.controllers.get(&id).and_then(|controller| controller.core.as_ref()) else {
            return;
        };
        if core.is_leading() {
            self.one_leader.leads(id, core.term(), &mut self.found);
        }
    }

    /// Who is a member changed, or may have.
    pub(super) fn note_members(&mut self, id: u64) {
        let Some(members) =
            self.controllers.get(&id).and_then(|controller| controller.core.as_ref()).map(Core::members)
        else {
            return;
        };
        if members.is_joint() {
            self.coverage.mark(Mark::Joint);
        }
    }
}
