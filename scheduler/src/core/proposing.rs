//! What clients ask and others see becomes commands; one entry of ours is on its way at a time.

use super::Core;
use crate::command::{ClientCommand, Command, Entry, Observation};
use crate::effect::{Effect, Outcome};
use crate::ids::{ClientToken, PoolId, RequestKey};
use crate::mutants::{self, Mutant};
use crate::plan::{self, Situation};
use crate::refusal::Refusal;
use std::collections::BTreeSet;

/// About how many bytes a command takes in an entry: an entry has a bound, as the log's records and the wire's frames
/// have.
fn weight(command: &Command) -> usize {
    const USUAL: usize = 256;
    USUAL
        + match command {
            Command::Client { command: ClientCommand::Submit(submit), .. } => submit.body.len(),
            Command::Client { command: ClientCommand::ApplyPool(pool), .. } => pool.provider.len(),
            Command::Observed(Observation::Ended { report, .. }) => {
                report.artifacts.len() + report.notes.iter().map(String::len).sum::<usize>()
            }
            Command::Client { .. } | Command::Observed(_) | Command::Plan(_) => 0,
        }
}

impl Core {
    pub(crate) fn client(&mut self, token: ClientToken, key: Option<RequestKey>, command: ClientCommand) {
        if let (Some(reason), ClientCommand::Submit(_)) = (&self.pressure, &command) {
            let result = Err(Refusal::Unavailable(reason.clone()));
            return self.effects.push_back(Effect::Reply { token, result });
        }
        match self.leading {
            Some(_) => self.waiting.push_back((Command::Client { key, command }, Some(token))),
            None => self.effects.push_back(Effect::Reply { token, result: Err(Refusal::NotLeader) }),
        }
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        if self.leading.is_some() {
            self.waiting.push_back((Command::Observed(observation), None));
        }
    }

    /// Plans, and proposes one entry if there is something to say and none of ours is on its way.
    pub(super) fn propose(&mut self) -> bool {
        // While leadership is being given away raft takes nothing; its clock looks here again.
        if self.leading.is_none() || !self.in_flight.is_empty() || self.consensus.is_transferring() {
            return false;
        }
        let (mut commands, clients) = self.take_waiting();
        commands.extend(self.plan());
        if commands.is_empty() {
            return false;
        }
        let entry = Entry { now: self.cluster_now(), wall: self.moment.wall, commands };
        let data = rmp_serde::to_vec(&entry).expect("every type of Entry can be encoded");
        match self.consensus.propose(data) {
            Ok(index) => {
                let clients =
                    if mutants::is(Mutant::ReplyBeforeCommit) { self.reply_early(clients) } else { clients };
                self.in_flight.insert((index, self.consensus.term()), clients);
                true
            }
            Err(_) => {
                self.take_back(entry.commands, clients);
                false
            }
        }
    }

    /// What a mutant does.
    fn reply_early(&mut self, clients: Vec<(usize, ClientToken)>) -> Vec<(usize, ClientToken)> {
        let done = |(_, token)| Effect::Reply { token, result: Ok(Outcome::Done) };
        self.effects.extend(clients.into_iter().map(done));
        Vec::new()
    }

    /// What could not be proposed is said again; what was planned is planned anew.
    fn take_back(&mut self, commands: Vec<Command>, clients: Vec<(usize, ClientToken)>) {
        let refuse = |(_, token)| Effect::Reply { token, result: Err(Refusal::NotLeader) };
        self.effects.extend(clients.into_iter().map(refuse));
        let observed = commands.into_iter().filter(|command| matches!(command, Command::Observed(_)));
        let observed: Vec<Command> = observed.collect();
        observed.into_iter().rev().for_each(|command| self.waiting.push_front((command, None)));
        self.mark_all();
    }

    fn take_waiting(&mut self) -> (Vec<Command>, Vec<(usize, ClientToken)>) {
        let mut commands = Vec::new();
        let mut clients = Vec::new();
        let mut bytes = 0;
        while commands.len() < self.limits.commands_per_entry && bytes < self.limits.bytes_per_entry {
            let Some((command, token)) = self.waiting.pop_front() else {
                break;
            };
            bytes += weight(&command);
            clients.extend(token.map(|token| (commands.len(), token)));
            commands.push(command);
        }
        (commands, clients)
    }

    fn plan(&mut self) -> Vec<Command> {
        let now = self.cluster_now();
        if self.look_again.is_some_and(|at| at <= now) {
            self.look_again = None;
            self.mark_all();
        }
        if !self.index.is_dirty() {
            return Vec::new();
        }
        let dirty: BTreeSet<PoolId> = self.index.take_dirty();
        let silent = self.watch.silent();
        let situation =
            Situation { state: &self.state, now, silent, drain: self.drain, limits: &self.limits };
        let plan = plan::plan(&situation, &mut self.index, &dirty);
        plan.unfinished.into_iter().for_each(|pool| self.index.mark(pool));
        self.look_again = [self.look_again, plan.look_again].into_iter().flatten().min();
        plan.commands.into_iter().map(Command::Plan).collect()
    }
}
