//! One member of the cluster: consensus, state, index, planner and watch, and nothing but values in and out.
//!
//! `step` takes an input, then `poll_effect` gives what must be done until there is no more, then
//! `next_wakeup` tells when to step again even if nothing happens.

use crate::command::{ClientCommand, Command, Entry, Observation};
use crate::consensus::{Consensus, ConsensusError, LogEntry, Restored};
use crate::effect::Effect;
use crate::ids::{ClientToken, PoolId};
use crate::index::Index;
use crate::input::Input;
use crate::limits::Limits;
use crate::message::ToWorker;
use crate::plan::{self, Drain, Situation};
use crate::refusal::Refusal;
use crate::state::State;
use crate::state::nodes::NodePhase;
use crate::time::{Millis, Moment};
use crate::watch::Watch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who this member is.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its number in the group, from 1.
    pub id: u64,
    /// All that vote, itself included; used for a group that is new.
    pub voters: Vec<u64>,
}

/// One member of the cluster.
pub struct Core {
    pub(crate) limits: Limits,
    pub(crate) consensus: Consensus,
    pub(crate) state: State,
    pub(crate) index: Index,
    pub(crate) watch: Watch,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) moment: Moment,
    waiting: VecDeque<(Command, Option<ClientToken>)>,
    /// Entries of ours that are on their way, and who waits for them.
    in_flight: BTreeMap<u64, Vec<(usize, ClientToken)>>,
    leading: Option<Leading>,
    look_again: Option<Millis>,
    snapshot: SnapshotCourse,
    drain: Drain,
    pressure: Option<String>,
}

/// What only a leader has: the link between its clock and the cluster's.
struct Leading {
    term: u64,
    elapsed: Millis,
    cluster: Millis,
    next_watch: Millis,
}

/// How far the log has grown since the last snapshot.
#[derive(Default)]
struct SnapshotCourse {
    entries: u64,
    bytes: u64,
    running: bool,
}

impl Core {
    /// A member that goes on from what was read back from the disk; a group of one leads at once.
    pub fn new(
        member: &Member,
        state: State,
        restored: Restored,
        limits: Limits,
        moment: Moment,
    ) -> Result<Core, ConsensusError> {
        let index = Index::of(&state);
        let mut core = Core {
            limits,
            consensus: Consensus::new(member.id, &member.voters, restored)?,
            state,
            index,
            watch: Watch::default(),
            effects: VecDeque::new(),
            moment,
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            leading: None,
            look_again: None,
            snapshot: SnapshotCourse::default(),
            drain: Drain::No,
            pressure: None,
        };
        if member.voters.len() == 1 {
            core.consensus.campaign()?;
        }
        core.turn();
        Ok(core)
    }

    /// Takes one input in. `moment.elapsed` must never go back; if it does, it stands still.
    pub fn step(&mut self, moment: Moment, input: Input) {
        self.moment.elapsed = self.moment.elapsed.max(moment.elapsed);
        self.moment.wall = moment.wall;
        self.on_input(input);
        self.turn();
    }

    /// The next thing to do; `None` until the next step.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to step again even if nothing happens, on the driver's clock.
    pub fn next_wakeup(&self) -> Option<Millis> {
        let leading = self.leading.as_ref()?;
        let planned = self.look_again.map(|at| leading.elapsed.after(at.since(leading.cluster)));
        let watch = self.state.nodes().next().map(|_| leading.next_watch);
        [planned, watch].into_iter().flatten().min()
    }

    /// The replicated state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What is derived from it.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The leader's own observations.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Whether this member leads and has applied all that came before.
    pub fn is_leading(&self) -> bool {
        self.leading.is_some()
    }

    /// The consensus group's current term.
    pub fn term(&self) -> u64 {
        self.consensus.term()
    }

    /// Why new work is refused: the disk under the log has no room for it.
    pub fn pressure(&self) -> Option<&str> {
        self.pressure.as_deref()
    }

    /// The cluster's time now, as the leader knows it.
    pub fn cluster_now(&self) -> Millis {
        match &self.leading {
            Some(leading) => leading.cluster.after(self.moment.elapsed.since(leading.elapsed)),
            None => self.state.now(),
        }
    }

    /// Whether it was told to drain, and no node is left.
    pub fn is_drained(&self) -> bool {
        self.drain > Drain::No && self.state.nodes().next().is_none()
    }

    pub(crate) fn drain(&mut self, force: bool) {
        self.drain = self.drain.max(if force { Drain::Force } else { Drain::Wait });
        self.mark_all();
    }

    pub(crate) fn storage(&mut self, pressure: Option<String>) {
        self.pressure = pressure;
    }

    fn mark_all(&mut self) {
        let pools: Vec<PoolId> = self.state.pools().map(|(id, _)| id).collect();
        pools.into_iter().for_each(|pool| self.index.mark(pool));
    }

    pub(crate) fn client(&mut self, token: ClientToken, command: ClientCommand) {
        if let (Some(reason), ClientCommand::Submit(_)) = (&self.pressure, &command) {
            let result = Err(Refusal::Unavailable(reason.clone()));
            return self.effects.push_back(Effect::Reply { token, result });
        }
        match self.leading {
            Some(_) => self.waiting.push_back((Command::Client(command), Some(token))),
            None => self.effects.push_back(Effect::Reply { token, result: Err(Refusal::NotLeader) }),
        }
    }

    pub(crate) fn observe(&mut self, observation: Observation) {
        if self.leading.is_some() {
            self.waiting.push_back((Command::Observed(observation), None));
        }
    }

    /// Moves everything on as far as it goes without the outside.
    fn turn(&mut self) {
        loop {
            self.look_for_silence();
            let drained = self.consensus.drain();
            self.effects.extend(drained.persist.into_iter().map(Effect::Persist));
            let applied = !drained.committed.is_empty();
            drained.committed.into_iter().for_each(|entry| self.apply(entry));
            if applied {
                self.consensus.applied(self.state.applied(), self.limits.tail_bytes);
                self.maybe_snapshot();
            }
            self.follow_leadership();
            if !self.propose() && !applied {
                return;
            }
        }
    }

    fn apply(&mut self, log_entry: LogEntry) {
        self.snapshot.entries += 1;
        self.snapshot.bytes += log_entry.data.len() as u64;
        if log_entry.data.is_empty() {
            return self.state.skip(log_entry.index);
        }
        let entry: Entry = rmp_serde::from_slice(&log_entry.data)
            .expect("an entry of the log was written by a member whose format this release knows");
        let changes = self.state.apply(log_entry.index, &entry);
        changes.touched.iter().for_each(|touched| self.index.refresh(*touched, &self.state));
        self.effects.extend(changes.events.into_iter().map(|event| Effect::Record(Box::new(event))));
        let mut clients = self.in_flight.remove(&log_entry.index).unwrap_or_default().into_iter();
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

    /// A leader that has applied an entry of its own term derives what to do from the state.
    fn follow_leadership(&mut self) {
        let term = self.consensus.term();
        let leads = self.consensus.leads();
        if let Some(leading) = &self.leading {
            if leads && leading.term == term {
                return;
            }
            self.step_down();
        }
        let own = self.consensus.point(self.state.applied()).is_some_and(|point| point.term == term);
        if leads && own {
            self.lead(term);
        }
    }

    fn lead(&mut self, term: u64) {
        let elapsed = self.moment.elapsed;
        self.leading = Some(Leading { term, elapsed, cluster: self.state.now(), next_watch: elapsed });
        self.watch = Watch::begin(&self.state, elapsed);
        self.mark_all();
        for (id, node) in self.state.nodes() {
            self.effects.push_back(match node.phase {
                NodePhase::Leaving => Effect::Release { node: id },
                _ => Effect::Provision { node: id },
            });
        }
    }

    fn step_down(&mut self) {
        self.leading = None;
        self.look_again = None;
        let waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(|(_, token)| token);
        let in_flight = std::mem::take(&mut self.in_flight).into_values().flatten().map(|(_, token)| token);
        let result = Err(Refusal::NotLeader);
        let replies = waiting.chain(in_flight).map(|token| Effect::Reply { token, result: result.clone() });
        self.effects.extend(replies);
    }

    fn look_for_silence(&mut self) {
        let now = self.moment.elapsed;
        let cluster_now = self.cluster_now();
        let Some(leading) = self.leading.as_mut().filter(|leading| leading.next_watch <= now) else {
            return;
        };
        leading.next_watch = now.after(self.limits.watch_every);
        let expired = self.watch.expire(&self.state, now, cluster_now, &self.limits);
        self.watch.forget_gone(&self.state);
        for node in expired.lost {
            self.observe(Observation::NodeLost { node });
        }
        for node in expired.overdue {
            let reason = format!("its worker did not attach within {}", self.limits.boot_timeout);
            self.observe(Observation::NodeFailed { node, reason });
        }
    }

    /// Plans, and proposes one entry if there is something to say and none of ours is on its way.
    fn propose(&mut self) -> bool {
        if self.leading.is_none() || !self.in_flight.is_empty() {
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
                self.in_flight.insert(index, clients);
                true
            }
            Err(_) => {
                let refuse = |(_, token)| Effect::Reply { token, result: Err(Refusal::NotLeader) };
                self.effects.extend(clients.into_iter().map(refuse));
                false
            }
        }
    }

    fn take_waiting(&mut self) -> (Vec<Command>, Vec<(usize, ClientToken)>) {
        let mut commands = Vec::new();
        let mut clients = Vec::new();
        let mut bytes = 0;
        while commands.len() < self.limits.commands_per_entry && bytes < self.limits.bytes_per_entry {
            let Some((command, token)) = self.waiting.pop_front() else {
                break;
            };
            if let Command::Client(ClientCommand::Submit(submit)) = &command {
                bytes += submit.body.len();
            }
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

    fn maybe_snapshot(&mut self) {
        let course = &mut self.snapshot;
        let due = course.entries >= self.limits.entries_per_snapshot
            || course.bytes >= self.limits.bytes_per_snapshot;
        if !due || course.running {
            return;
        }
        if let Some(point) = self.consensus.point(self.state.applied()) {
            *course = SnapshotCourse { running: true, ..SnapshotCourse::default() };
            self.effects.push_back(Effect::Snapshot { point, state: Box::new(self.state.fork()) });
        }
    }

    pub(crate) fn snapshot_saved(&mut self, index: u64) {
        self.snapshot.running = false;
        self.effects.push_back(Effect::Compact { index });
    }
}
