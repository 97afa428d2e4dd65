//! Applying what is committed, and what follows from it.

use super::Core;
use crate::command::Entry;
use crate::consensus::{EntryKind, LogEntry};
use crate::effect::Effect;
use crate::message::ToWorker;
use crate::mutants::{self, Mutant};
use crate::state::apply::{Changes, Touched};

impl Core {
    pub(super) fn apply(&mut self, log_entry: LogEntry) {
        self.snapshots.grew(log_entry.data.len() as u64);
        if log_entry.kind == EntryKind::Membership {
            return self.apply_membership(&log_entry);
        }
        if log_entry.data.is_empty() {
            return self.state.skip(log_entry.index);
        }
        let mut entry: Entry = rmp_serde::from_slice(&log_entry.data)
            .expect("an entry of the log was written by a member whose format this release knows");
        if mutants::is(Mutant::DependOnReplica) && self.id.is_multiple_of(2) {
            entry.commands.reverse();
        }
        let changes = self.state.apply(log_entry.index, &entry);
        if changes.touched.contains(&Touched::Controllers) {
            self.effects.push_back(Effect::Members);
        }
        changes.touched.iter().for_each(|touched| self.index.refresh(*touched, &self.state));
        self.follow_up(log_entry.index, log_entry.term, changes);
    }

    fn follow_up(&mut self, index: u64, term: u64, changes: Changes) {
        self.effects.extend(changes.events.into_iter().map(|event| Effect::Record(Box::new(event))));
        // By term too: another leader's entry may stand where ours was to be.
        let mut clients = self.in_flight.remove(&(index, term)).unwrap_or_default().into_iter();
        if self.leading.is_none() {
            return;
        }
        for (position, result) in changes.replies {
            if let Some((_, token)) = clients.as_slice().first().filter(|(at, _)| *at == position) {
                self.effects.push_back(Effect::Reply { token: *token, result });
                clients.next();
            }
        }
        self.effects.extend(changes.provision.into_iter().map(|node| Effect::Provision { node }));
        self.effects.extend(changes.release.into_iter().map(|node| Effect::Release { node }));
        for (node, message) in changes.sends {
            if let ToWorker::Acknowledge { fence } = message {
                self.watch.forget(fence);
            }
            self.effects.push_back(Effect::SendWorker { node, message });
        }
    }
}
