//! Applying an entry: re-checks every command against what is true now, changes the state, and tells what
//! must follow. A command that no longer fits is refused by itself; the others of its entry stand.

mod client;
mod controllers;
mod dependencies;
mod observed;
mod outcome;
mod plan;

pub(super) use client::check_name;

use super::{State, keys};
use crate::command::{ClientCommand, Command, Entry};
use crate::effect::Outcome;
use crate::event::{Event, What};
use crate::ids::{Fence, NodeId, PoolId, RequestKey, RunId, WorkspaceId};
use crate::message::ToWorker;
use crate::refusal::Refusal;

/// What follows from an entry that was applied.
#[derive(Debug, Default)]
pub struct Changes {
    /// The answers to client commands, by position in the entry.
    pub replies: Vec<(usize, Result<Outcome, Refusal>)>,
    /// For history, in order.
    pub events: Vec<Event>,
    /// For workers.
    pub sends: Vec<(NodeId, ToWorker)>,
    /// Nodes to be made.
    pub provision: Vec<NodeId>,
    /// Nodes to be taken away.
    pub release: Vec<NodeId>,
    /// What the index must look at again.
    pub touched: Vec<Touched>,
    /// Runs that ended, and for which others may wait.
    closed: Vec<RunId>,
}

/// One thing whose place in the index may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Its waiting elements.
    Run(RunId),
    /// Its phase or what is free on it.
    Node(NodeId),
    /// Its settings.
    Pool(PoolId),
    /// In what order its runs start.
    Order(PoolId),
    /// How many runs it may have, or has.
    Workspace(WorkspaceId),
    /// There may be room again under a quota.
    Quota,
    /// The table of controllers.
    Controllers,
}

/// Where in the log a command stands, and where its consequences go.
struct Applying<'a> {
    index: u64,
    position: usize,
    changes: &'a mut Changes,
    wall: crate::time::WallMicros,
}

impl Applying<'_> {
    fn fence(&self) -> Fence {
        Fence::new(self.index, self.position)
    }

    fn event(&mut self, what: What) {
        self.changes.events.push(Event { index: self.index, wall: self.wall, what });
    }

    fn touch(&mut self, touched: Touched) {
        self.changes.touched.push(touched);
    }

    fn send(&mut self, node: NodeId, message: ToWorker) {
        self.changes.sends.push((node, message));
    }
}

impl State {
    /// Applies the entry at `index`, which must be the next one.
    pub fn apply(&mut self, index: u64, entry: &Entry) -> Changes {
        debug_assert_eq!(index, self.applied + 1, "entries are applied in order, each once");
        self.applied = index;
        self.now = self.now.max(entry.now);
        self.wall = entry.wall;
        let keyed = |command: &&Command| matches!(command, Command::Client { key: Some(_), .. });
        self.keys.expire(self.now, entry.commands.iter().filter(keyed).count());
        let mut changes = Changes::default();
        for (position, command) in entry.commands.iter().enumerate() {
            let mut at = Applying { index, position, changes: &mut changes, wall: entry.wall };
            match command {
                Command::Client { key, command } => {
                    let result = self.apply_keyed(*key, command, &mut at);
                    at.changes.replies.push((position, result));
                }
                Command::Plan(command) => {
                    if !self.apply_plan(command, &mut at) {
                        self.refused += 1;
                    }
                }
                Command::Observed(observation) => self.apply_observed(observation, &mut at),
            }
            self.settle_dependents(&mut at);
        }
        changes
    }

    /// A request whose key is known gets the answer that it got before.
    fn apply_keyed(
        &mut self,
        key: Option<RequestKey>,
        command: &ClientCommand,
        at: &mut Applying<'_>,
    ) -> Result<Outcome, Refusal> {
        // A submission's key is its name.
        let Some(key) = key.filter(|_| !matches!(command, ClientCommand::Submit(_))) else {
            return self.apply_client(command, at);
        };
        let digest = keys::digest(command);
        if let Some(known) = self.keys.answer(key, digest) {
            return known;
        }
        let result = self.apply_client(command, at);
        self.keys.remember(key, digest, self.now, result.clone());
        result
    }

    /// Moves on in the log by an entry that carries no commands, as consensus makes them.
    pub fn skip(&mut self, index: u64) {
        debug_assert_eq!(index, self.applied + 1);
        self.applied = index;
    }
}
