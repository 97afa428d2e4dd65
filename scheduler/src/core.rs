//! One member of the cluster: consensus, state, index, planner and watch, and nothing but values in and out.
//!
//! `step` takes an input, then `poll_effect` gives what must be done until there is no more, then
//! `next_wakeup` tells when to step again even if nothing happens.

mod applying;
mod leading;
mod membership;
mod proposing;
mod reading;
mod room;
mod snapshots;
mod version;

use crate::command::Command;
use crate::consensus::{Consensus, ConsensusError, Drained, Members, Restored};
use crate::controllers::ControllerCard;
use crate::effect::Effect;
use crate::ids::{ClientToken, ControllerId};
use crate::index::Index;
use crate::input::Input;
use crate::limits::Limits;
use crate::loaded::Loaded;
use crate::plan::Drain;
use crate::state::State;
use crate::time::{Millis, Moment};
use crate::watch::Watch;
use leading::Leading;
use reading::Reads;
use room::Rooms;
use serde::{Deserialize, Serialize};
use snapshots::Snapshots;
use std::collections::{BTreeMap, VecDeque};

/// Who this member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number in the group, from 1; never used again by another.
    pub id: u64,
    /// Those that voted when the group was made: the same on every member, for ever, also on those that joined
    /// later.
    pub founders: Vec<u64>,
}

/// One member of the cluster.
pub struct Core {
    pub(crate) limits: Limits,
    pub(crate) id: u64,
    pub(crate) consensus: Consensus,
    pub(crate) state: State,
    pub(crate) index: Index,
    pub(crate) watch: Watch,
    pub(crate) effects: VecDeque<Effect>,
    pub(crate) moment: Moment,
    /// What members have said of themselves to this one.
    pub(crate) cards: BTreeMap<ControllerId, ControllerCard>,
    pub(crate) reads: Reads,
    pub(crate) snapshots: Snapshots,
    waiting: VecDeque<(Command, Option<ClientToken>)>,
    /// Entries of ours that are on their way, by index and term, and who waits for them.
    in_flight: BTreeMap<(u64, u64), Vec<(usize, ClientToken)>>,
    leading: Option<Leading>,
    look_again: Option<Millis>,
    drain: Drain,
    pressure: Option<String>,
    rooms: Rooms,
    /// No longer of the group, or the group is beyond what this member supports: deaf from then on.
    deaf: bool,
}

impl Core {
    /// A member that goes on from what was read back from the disk; one that decides alone leads at once.
    ///
    /// # Errors
    /// When the state is of a later release, or what was read back does not fit together.
    pub fn new(
        member: &Member,
        loaded: Loaded,
        restored: Restored,
        limits: Limits,
        moment: Moment,
    ) -> Result<Core, ConsensusError> {
        let Loaded { state, index } = loaded;
        if let Some(why) = version::beyond(state.version(), limits.machine_version) {
            return Err(ConsensusError::Version(why));
        }
        let newest = restored.point.index;
        let mut core = Core {
            limits,
            id: member.id,
            consensus: Consensus::new(member.id, &member.founders, restored, moment.elapsed)?,
            state,
            index,
            watch: Watch::default(),
            effects: VecDeque::from([Effect::Members]),
            moment,
            cards: BTreeMap::new(),
            reads: Reads::new(member.id, moment),
            snapshots: Snapshots::after(newest),
            waiting: VecDeque::new(),
            in_flight: BTreeMap::new(),
            leading: None,
            look_again: None,
            drain: Drain::No,
            pressure: None,
            rooms: Rooms::default(),
            deaf: false,
        };
        core.turn();
        Ok(core)
    }

    /// Takes one input in. `moment.elapsed` must never go back; if it does, it stands still.
    pub fn step(&mut self, moment: Moment, input: Input) {
        self.moment.elapsed = self.moment.elapsed.max(moment.elapsed);
        self.moment.wall = moment.wall;
        if self.deaf {
            return;
        }
        self.consensus.tick(self.moment.elapsed);
        self.on_input(input);
        self.turn();
    }

    /// The next thing to do; `None` until the next step.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to step again even if nothing happens, on the driver's clock.
    pub fn next_wakeup(&self) -> Option<Millis> {
        if self.deaf {
            return None;
        }
        let tick = self.consensus.next_tick();
        let Some(leading) = self.leading.as_ref() else {
            return [tick, self.reads.ask_again_at()].into_iter().flatten().min();
        };
        // While an entry of ours is on its way, or leadership, nothing is planned: what comes of it looks again.
        let plans = self.in_flight.is_empty() && !self.consensus.is_transferring();
        let planned = self.look_again.filter(|_| plans);
        let planned = planned.map(|at| leading.elapsed.after(at.since(leading.cluster)));
        let watch = self.state.nodes().next().map(|_| leading.next_watch);
        [tick, planned, watch, self.reads.ask_again_at()].into_iter().flatten().min()
    }

    /// This member's number.
    pub fn id(&self) -> ControllerId {
        ControllerId(self.id)
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

    /// Who leads, as far as this member knows.
    pub fn leader(&self) -> Option<ControllerId> {
        self.consensus.leader().map(ControllerId)
    }

    /// Who is a member, as far as the log is applied.
    pub fn members(&self) -> &Members {
        self.consensus.members()
    }

    /// The consensus group's current term.
    pub fn term(&self) -> u64 {
        self.consensus.term()
    }

    /// How far another member has come, if this one leads: the last entry that it is known to have.
    pub fn progress(&self, of: ControllerId) -> Option<crate::consensus::Progress> {
        self.consensus.progress(of.0)
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

    /// Whether it was told to drain.
    pub fn is_draining(&self) -> bool {
        self.drain > Drain::No
    }

    /// Whether it was told to drain, and no node is left.
    pub fn is_drained(&self) -> bool {
        self.is_draining() && self.state.nodes().next().is_none()
    }

    pub(crate) fn drain(&mut self, force: bool) {
        self.drain = self.drain.max(if force { Drain::Force } else { Drain::Wait });
        self.mark_all();
    }

    pub(crate) fn storage(&mut self, pressure: Option<String>) {
        self.pressure = pressure;
    }

    pub(crate) fn persisted(&mut self, number: u64) {
        let released = self.consensus.persisted(number);
        self.take(released);
    }

    /// Moves everything on as far as it goes without the outside.
    fn turn(&mut self) {
        loop {
            if self.deaf {
                return self.stop_leading();
            }
            self.look_for_silence();
            let drained = self.consensus.drain();
            let moved = self.take(drained);
            self.follow_leadership();
            // What they put into raft comes out of it in this same step.
            let asked = self.ask_reads();
            self.tend_version();
            let tended = self.tend_membership() || self.make_way();
            if !(self.propose() || self.consensus.elect_alone() || moved || asked || tended) {
                return;
            }
        }
    }

    /// Does what consensus says; tells whether anything was applied.
    fn take(&mut self, drained: Drained) -> bool {
        self.effects.extend(drained.persist.into_iter().map(Effect::Persist));
        for message in drained.messages {
            self.send_peer(message);
        }
        if let Some(point) = drained.installed {
            self.install(&point);
        }
        let applied = !drained.committed.is_empty();
        for entry in drained.committed {
            self.apply(entry);
            if let Some(why) = self.unsupported() {
                self.stop_for(why);
                return applied;
            }
        }
        if applied {
            self.consensus.applied(self.state.applied(), &self.limits);
        }
        self.reads.found(drained.reads);
        self.maybe_snapshot();
        self.answer_reads();
        applied
    }
}
