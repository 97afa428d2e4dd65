//! Doing what a core says: every effect, and no decision.

use super::World;
use super::happening::{Happening, ToController};
use crate::checkers::promises_are_durable;
use crate::clock::Micros;
use crate::controller::Status;
use crate::coverage::Mark;
use crate::network::Place;
use crate::provider::Provider;
use tidegate_scheduler::consensus::PeerMessage;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::message::ToWorker;
use tidegate_scheduler::{Effect, Input};

/// How often a provider looks at what there is.
const LOOK_EVERY: Micros = Micros::seconds(2);
/// So many old messages are kept to be said again.
const OLD_MESSAGES: usize = 64;
/// How soon it looks when something changed.
const LOOK_SOON: Micros = Micros::millis(10);

impl World {
    pub(super) fn follow(&mut self, id: u64, effect: Effect) {
        match effect {
            Effect::Persist(persist) => {
                let Some(controller) = self.controllers.get_mut(&id) else { return };
                let pause = controller.disk.write(persist, &mut controller.random);
                self.schedule_sync(id, pause);
            }
            Effect::SendPeer { to, message } => self.send_peer(id, to, message),
            Effect::SendSnapshot { to, message } => self.send_snapshot(id, to, *message),
            Effect::Lead { term } => self.begin_to_lead(id, term),
            Effect::Follow => {
                self.say(|| format!("controller {id} no longer leads"));
                if let Some(controller) = self.controllers.get_mut(&id) {
                    controller.provider = None;
                }
            }
            Effect::Members => self.note_members(id),
            Effect::Installed { index } => {
                self.coverage.mark(Mark::SnapshotInstalled);
                self.say(|| format!("controller {id} takes a snapshot up to entry {index}"));
            }
            Effect::Removed => self.removed(id),
            Effect::Unsupported(why) => self.too_old(id, &why),
            Effect::Readable { token } => self.readable(id, token),
            Effect::SendWorker { node, message } => {
                if let ToWorker::Acknowledge { fence } = message {
                    let settled = self.reference.settled();
                    promises_are_durable::acknowledgement(id, fence, settled, &mut self.found);
                }
                self.send_worker(id, node, message);
            }
            Effect::Provision { node } => self.order(id, node, true),
            Effect::Release { node } => self.order(id, node, false),
            Effect::Reply { token, result } => self.replied(id, token, result),
            // Compared with what others told history when it was observed.
            Effect::Record(_) => {}
            Effect::Snapshot { point, state } => self.save_snapshot(id, point, &state),
            Effect::Compact { index } => {
                if let Some(controller) = self.controllers.get_mut(&id) {
                    controller.disk.compact(index);
                }
            }
        }
    }

    fn send_peer(&mut self, from: u64, to: u64, message: Box<PeerMessage>) {
        let now = self.now();
        if let Some(sender) = self.controllers.get(&from) {
            promises_are_durable::message(sender, &message, &mut self.found);
        }
        self.remember_message(&message);
        self.note_unreachable(from, to);
        let arrivals = self.network.toss(now, Place::Controller(from), Place::Controller(to));
        let [first, second] = arrivals;
        if let Some(at) = second {
            let what = ToController::Peer { message: message.clone() };
            self.engine.at(at, Happening::Controller { to, what });
        }
        if let Some(at) = first {
            self.engine.at(at, Happening::Controller { to, what: ToController::Peer { message } });
        }
    }

    /// Keeps one in a hundred, for later.
    fn remember_message(&mut self, message: &PeerMessage) {
        if self.random.chance(10_000) {
            self.old_messages.push_back(message.clone());
            if self.old_messages.len() > OLD_MESSAGES {
                self.old_messages.pop_front();
            }
        }
    }

    /// A driver notices now and then that nobody is there.
    fn note_unreachable(&mut self, from: u64, to: u64) {
        let there = self.controllers.get(&to).is_some_and(|it| it.status != Status::Down);
        let open = self.network.is_open(Place::Controller(from), Place::Controller(to));
        if !(there && open) && self.random.chance(100_000) {
            let Some(life) = self.controllers.get(&from).map(|it| it.life) else { return };
            let what = ToController::Say { life, input: Box::new(Input::PeerUnreachable { peer: to }) };
            self.engine.after(Micros::millis(2), Happening::Controller { to: from, what });
        }
    }

    fn begin_to_lead(&mut self, id: u64, term: u64) {
        self.coverage.mark(Mark::Elected);
        self.say(|| format!("controller {id} leads in term {term}"));
        let now = self.now();
        self.silence.leads(id, now);
        self.note_transfer(id);
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.provider = Some(Provider::default());
        }
        self.look_soon(id);
    }

    /// The leader's provider is told of a node.
    fn order(&mut self, id: u64, node: NodeId, wanted: bool) {
        if let Some(provider) = self.controllers.get_mut(&id).and_then(|it| it.provider.as_mut()) {
            provider.order(node, wanted);
        }
        self.look_soon(id);
    }

    fn look_soon(&mut self, id: u64) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        if controller.provider.is_some() && !controller.looking {
            controller.looking = true;
            let what = ToController::Look { life: controller.life };
            self.engine.after(LOOK_SOON, Happening::Controller { to: id, what });
        }
    }

    /// The leader's provider compares what should be with what is.
    pub(super) fn look(&mut self, id: u64) {
        let now = self.now();
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        controller.looking = false;
        let (Some(provider), Some(core)) = (&mut controller.provider, &controller.core) else { return };
        let events = provider.look(now, core.state(), &mut self.cloud);
        let life = controller.life;
        controller.looking = true;
        self.engine.after(LOOK_EVERY, Happening::Controller { to: id, what: ToController::Look { life } });
        self.arm_cloud();
        for (node, event) in events {
            self.step(id, Input::Provider { node, event });
        }
    }

    /// Its driver stops, but not at once: what comes until then still comes to its core.
    fn removed(&mut self, id: u64) {
        self.coverage.mark(Mark::Removed);
        let pause = Micros(self.random.exponential(500_000));
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        controller.removed = true;
        let life = controller.life;
        self.engine.after(pause, Happening::Stop { controller: id, life });
    }

    /// The driver of one that is no member any more has stopped.
    pub(super) fn stop(&mut self, id: u64, life: u32) {
        if !self
            .controllers
            .get(&id)
            .is_some_and(|controller| controller.is_there() && controller.life == life)
        {
            return;
        }
        self.crash(id, "because it is no member any more", None);
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.status = Status::Gone;
        }
    }
}
