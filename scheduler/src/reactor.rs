//! One short function for each input: routes, and decides nothing.

use crate::command::Observation;
use crate::core::Core;
use crate::effect::Effect;
use crate::ids::{Fence, NodeId};
use crate::input::{Input, ProviderEvent};
use crate::message::{FromWorker, Phase, StopCause, ToWorker};
use crate::mutants::{self, Mutant};
use crate::state::nodes::NodePhase;
use crate::time::WallMicros;
use crate::watch::Seen;
use std::collections::BTreeSet;

impl Core {
    pub(crate) fn on_input(&mut self, input: Input) {
        match input {
            Input::Wake => {}
            Input::Persisted { number } => self.persisted(number),
            Input::SnapshotSaved { point } => self.snapshot_saved(point),
            Input::SnapshotFailed => self.snapshot_failed(),
            Input::Storage { pressure } => self.storage(pressure),
            Input::Drain { force } => self.drain(force),
            Input::Client { token, key, command } => self.client(token, key, command),
            Input::Read { token } => self.read(token),
            Input::Peer { message } => self.peer(*message),
            Input::PeerUnreachable { peer } => self.consensus.unreachable(peer),
            Input::PeerSaid { peer, card } => self.peer_said(peer, card),
            Input::SnapshotArrived { message, loaded } => self.snapshot_arrived(*message, loaded),
            Input::SnapshotSent { to, delivered } => self.consensus.snapshot_sent(to, delivered),
            Input::Transfer { to } => self.transfer(to),
            Input::WorkerConnected { node } => self.ask_to_attach(node),
            Input::Worker { node, message } => self.on_worker(node, message),
            // The lease runs from the last word; the connection's end says nothing that silence does not.
            Input::WorkerDisconnected { node: _ } => {}
            Input::Provider { node, event } => self.on_provider(node, event),
        }
    }

    fn on_provider(&mut self, node: NodeId, event: ProviderEvent) {
        self.observe(match event {
            ProviderEvent::Booting => Observation::NodeBooting { node },
            ProviderEvent::Failed { reason } => Observation::NodeFailed { node, reason },
            ProviderEvent::Gone => Observation::NodeGone { node },
        });
    }

    fn on_worker(&mut self, node: NodeId, message: FromWorker) {
        if !self.is_leading() {
            return;
        }
        if self.watch.heard(node, self.moment.elapsed) {
            self.heard_again(node);
            if let Some(node) = self.state.node(node) {
                self.index.mark(node.pool);
            }
        }
        match message {
            FromWorker::Attach { incarnation, attempts } => {
                self.watch.attached(node);
                self.on_attach(node, incarnation, &attempts);
            }
            FromWorker::Heartbeat if !self.watch.has_attached(node) => self.ask_to_attach(node),
            FromWorker::Heartbeat => {}
            FromWorker::Phase { fence, phase, at } => self.on_phase(node, fence, phase, at),
            FromWorker::Ended(report) => {
                if mutants::is(Mutant::AcknowledgeUncommitted) {
                    let message = ToWorker::Acknowledge { fence: report.fence };
                    self.effects.push_back(Effect::SendWorker { node, message });
                }
                self.observe(Observation::Ended { node, report });
            }
        }
    }

    fn ask_to_attach(&mut self, node: NodeId) {
        if let Some(term) = self.leading_term().filter(|_| !mutants::is(Mutant::NeverAttach)) {
            self.effects.push_back(Effect::SendWorker { node, message: ToWorker::Attach { term } });
        }
    }

    /// Compares what a worker has with what it should have.
    fn on_attach(&mut self, id: NodeId, incarnation: u64, attempts: &[(Fence, Phase, WallMicros)]) {
        let Some(node) = self.state.node(id).filter(|node| node.phase != NodePhase::Leaving) else {
            // One that is not known yet was made by a later leader, of which this one has not heard.
            if self.state.node(id).is_none() && !self.state.has_been(id) {
                return;
            }
            self.effects.push_back(Effect::SendWorker { node: id, message: ToWorker::Leave });
            return;
        };
        let same = node.incarnation == incarnation;
        let expected: Vec<Fence> = node.attempts.iter().copied().collect();
        if !same || !node.is_ready() {
            self.observe(Observation::NodeReady { node: id, incarnation });
        }
        let known: BTreeSet<Fence> = attempts.iter().map(|(fence, _, _)| *fence).collect();
        for (fence, phase, at) in attempts {
            self.on_phase(id, *fence, *phase, *at);
        }
        // On a node that was made anew nothing of the old one is left to be started again.
        for fence in expected.into_iter().filter(|fence| same && !known.contains(fence)) {
            if let Some(assignment) = self.state.assignment(fence) {
                let message = ToWorker::Start(Box::new(assignment));
                self.effects.push_back(Effect::SendWorker { node: id, message });
            }
        }
    }

    fn on_phase(&mut self, node: NodeId, fence: Fence, phase: Phase, at: WallMicros) {
        let stop = match self.state.attempt(fence).filter(|attempt| attempt.node == node) {
            Some(attempt) => attempt.stopping,
            None => Some(StopCause::Superseded),
        };
        match stop {
            Some(cause) => {
                let message = ToWorker::Stop { fence, cause };
                self.effects.push_back(Effect::SendWorker { node, message });
            }
            None => self.watch.saw(fence, Seen { phase, at }),
        }
    }
}
