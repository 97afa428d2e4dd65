//! Controllers' processes: starting, stepping, standing still, dying.

use super::World;
use super::happening::{Happening, ToController};
use crate::clock::{MachineClock, Micros, TRUE_RATE};
use crate::controller::{Controller, Status};
use crate::coverage::Mark;
use crate::disk::{Disk, ReadBack, Refused, Remains, Unusable};
use crate::faults::FaultKind;
use crate::network::Place;
use crate::random::Random;
use tidegate_scheduler::consensus::Restored;
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::ids::ControllerId;
use tidegate_scheduler::message::FromWorker;
use tidegate_scheduler::version::Unsupported;
use tidegate_scheduler::{Core, Effect, Input, Limits, Loaded, Member, State, version};

/// What the next release would support. It behaves as this one does, but for the number.
const NEXT_RELEASE: u32 = version::NEWEST + 1;

/// How many messages wait for one that stands still; the rest is lost.
const MAILBOX: usize = 2000;

impl World {
    /// A new machine for a controller, with an empty disk.
    pub(crate) fn add_controller(&mut self, id: u64) {
        let mut random = Random::stream(self.swarm.seed ^ id.rotate_left(40), "controller");
        let drift = random.below(2 * self.swarm.drift + 1);
        let clock = MachineClock::start(self.now(), TRUE_RATE - self.swarm.drift + drift);
        let founders = (1..=self.swarm.founders).collect();
        let member = Member { id, founders };
        if self.swarm.drift > 0 && drift != self.swarm.drift {
            self.note_fault(FaultKind::Drift);
        }
        let mixed = self.swarm.kinds.contains(&FaultKind::MixedVersions);
        let later = mixed && random.flip();
        let mut controller = Controller::new(member, Disk::new(self.swarm.speed), clock, random);
        controller.release = if later { NEXT_RELEASE } else { version::NEWEST };
        self.controllers.insert(id, controller);
    }

    /// Starts a controller from its disk.
    pub(crate) fn start(&mut self, id: u64) {
        let now = self.now();
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let limits = Limits { machine_version: controller.release, ..self.swarm.limits_of(id) };
        let back = match controller.disk.read_back() {
            Ok(back) => back,
            Err(unusable) => return self.refuse_disk(id, unusable),
        };
        let loaded = match &back.image {
            None => Loaded::of(State::founded(&controller.member.founders)),
            Some(image) => match Loaded::decode(image) {
                Ok(loaded) => loaded,
                Err(error) => {
                    return self
                        .found
                        .push(format!("state is whole: a whole snapshot of {id} is unreadable: {error}"));
                }
            },
        };
        controller.life += 1;
        controller.removed = false;
        controller.clock.restart(now);
        controller.status = Status::Up;
        controller.armed = None;
        controller.observed = back.restored.point.index;
        controller.terms = back.restored.entries.iter().map(|entry| (entry.index, entry.term)).collect();
        let again = controller.life > 1;
        self.note_read_back(id, &back);
        let core = self.make_core(id, loaded, back.restored, limits);
        let Some(core) = core else { return };
        self.say(|| format!("controller {id} starts from entry {}", core.state().applied()));
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.core = Some(core);
        }
        if again {
            self.coverage.mark(Mark::Restarted);
        }
        self.compare_state(id);
        self.settle(id);
        let card = self.card_of(id);
        self.step(id, Input::PeerSaid { peer: ControllerId(id), card });
        if self.controllers.get(&id).is_some_and(|controller| controller.disk_full) {
            self.step(id, Input::Storage { pressure: Some("the disk is full".into()) });
        }
        self.greet(id);
    }

    /// What damage came to. What can be read of a damaged image goes to the real loader, which must bear it.
    fn note_read_back(&mut self, id: u64, back: &ReadBack) {
        for Refused { image, cut_short } in &back.refused {
            self.coverage.mark(Mark::SnapshotRefused);
            self.note_fault(match cut_short {
                true => FaultKind::SnapshotTruncated,
                false => FaultKind::SnapshotFlipped,
            });
            if State::decode(image).is_ok() && *cut_short {
                self.found
                    .push(format!("state is whole: controller {id} reads half a snapshot as a whole one"));
            }
        }
        if back.fell_back {
            self.note_fault(FaultKind::SnapshotMissing);
        }
        if back.begun_anew {
            self.coverage.mark(Mark::LogBegunAnew);
        }
    }

    fn make_core(&mut self, id: u64, loaded: Loaded, restored: Restored, limits: Limits) -> Option<Core> {
        let now = self.now();
        let controller = self.controllers.get(&id)?;
        let moment = controller.clock.moment(now);
        match Core::new(&controller.member, loaded, restored, limits, moment) {
            Ok(core) => Some(core),
            Err(error) => {
                self.found.push(format!(
                    "state is whole: controller {id} does not start from its sound disk: {error}"
                ));
                None
            }
        }
    }

    fn refuse_disk(&mut self, id: u64, unusable: Unusable) {
        self.say(|| format!("controller {id} refuses to start: {unusable}"));
        self.coverage.mark(Mark::DiskRefused);
        self.note_fault(match unusable {
            Unusable::Log => FaultKind::BitRot,
            Unusable::Overwritten => FaultKind::MisdirectedWrite,
            Unusable::Lost => FaultKind::DiskLost,
            Unusable::Gap { .. } => FaultKind::SnapshotMissing,
        });
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.status = Status::Refuses(unusable);
        }
    }

    /// Something comes to a controller.
    pub(super) fn reach_controller(&mut self, to: u64, what: ToController) {
        let Some(controller) = self.controllers.get_mut(&to) else { return };
        match controller.status {
            Status::Up => self.take(to, what),
            Status::Paused => {
                if controller.mailbox.len() < self.network.queue().unwrap_or(MAILBOX)
                    || !matches!(what, ToController::Peer { .. })
                {
                    controller.mailbox.push(what);
                }
            }
            Status::Down | Status::Refuses(_) | Status::Gone => self.bounce(what),
        }
    }

    fn take(&mut self, to: u64, what: ToController) {
        let Some(controller) = self.controllers.get_mut(&to) else { return };
        let alive = controller.life;
        match what {
            ToController::Wake { life } if life == alive => self.wake(to),
            ToController::Synced { life } if life == alive && controller.disk.sync_fails() => {
                // What was on its way may be whole, torn or lost: a sync that is tried again would tell nothing.
                let pause = Micros::millis(100).after(Micros(controller.random.exponential(5_000_000)));
                self.note_fault(FaultKind::SyncFails);
                self.crash(to, "as a sync gave an error", Some(pause));
            }
            ToController::Synced { life } if life == alive => {
                let (number, next) = controller.disk.synced(&mut controller.random);
                self.schedule_sync(to, next);
                if let Some(number) = number {
                    self.step(to, Input::Persisted { number });
                }
            }
            ToController::SnapshotWritten { life } if life == alive => self.snapshot_written(to),
            ToController::Say { life, input } if life == alive => self.step(to, *input),
            ToController::Look { life } if life == alive => self.look(to),
            ToController::SnapshotStored { life, stream } if life == alive => self.snapshot_stored(*stream),
            ToController::Wake { .. }
            | ToController::Synced { .. }
            | ToController::SnapshotWritten { .. }
            | ToController::Say { .. }
            | ToController::Look { .. } => {}
            ToController::SnapshotStored { stream, .. } => self.snapshot_failed(&stream),
            ToController::Peer { message } => self.step(to, Input::Peer { message }),
            ToController::SnapshotStream { stream } => self.snapshot_arrives(*stream),
            ToController::LinkUp { node, machine, link } => self.link_up(to, node, machine, link),
            ToController::LinkDown { node, machine, link } => self.link_down(to, node, machine, link),
            ToController::Worker { node, machine, link, message } => {
                if controller.links.get(&node) == Some(&(machine, link)) {
                    if controller.leads() {
                        self.silence.heard(to, node, self.engine.now());
                    }
                    let ended = matches!(*message, FromWorker::Ended(_));
                    self.step(to, Input::Worker { node, message: *message });
                    if ended {
                        self.condemn(to, machine);
                    }
                }
            }
            ToController::Ask { call } => self.answer_call(to, *call),
            ToController::Answered { call, answer } => self.reply(to, *call, *answer),
        }
    }

    /// What comes to a dead one is lost; who streams a snapshot hears of it.
    fn bounce(&mut self, what: ToController) {
        if let ToController::SnapshotStream { stream } | ToController::SnapshotStored { stream, .. } = what {
            self.snapshot_failed(&stream);
        }
    }

    /// The core takes an input, and its effects are followed.
    pub(super) fn step(&mut self, id: u64, input: Input) {
        let now = self.now();
        if self.history.keeps() {
            self.log_input(id, &input);
        }
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let moment = controller.clock.moment(now);
        let Some(core) = controller.core.as_mut() else { return };
        if controller.removed {
            self.coverage.mark(Mark::HeardAfterRemoval);
        }
        core.step(moment, input);
        self.history.mix(&[now.0, id, core.term(), core.state().applied()]);
        self.settle(id);
    }

    fn log_input(&mut self, id: u64, input: &Input) {
        if matches!(input, Input::Wake) {
            return;
        }
        let mut line = format!("controller {id} <- {input:?}");
        if line.len() > 400 {
            line.truncate(line.floor_char_boundary(400));
            line.push('…');
        }
        self.say(|| line);
    }

    /// Follows what the core says, unless it dies between two effects.
    pub(super) fn settle(&mut self, id: u64) {
        let Some(core) = self.controllers.get_mut(&id).and_then(|controller| controller.core.as_mut()) else {
            return;
        };
        let effects: Vec<Effect> = std::iter::from_fn(|| core.poll_effect()).collect();
        if !effects.is_empty() {
            self.observe(id, &effects);
        }
        for effect in effects {
            if self.dies_here(id) {
                self.coverage.mark(Mark::CrashedInside);
                self.note_fault(FaultKind::CrashInside);
                let pause = Micros::millis(100).after(Micros(self.random.exponential(3_000_000)));
                return self.crash(id, "between two effects", Some(pause));
            }
            self.follow(id, effect);
        }
        self.arm(id);
    }

    fn dies_here(&mut self, id: u64) -> bool {
        let Some(left) = self.controllers.get_mut(&id).and_then(|controller| controller.countdown.as_mut())
        else {
            return false;
        };
        *left = left.saturating_sub(1);
        *left == 0
    }

    fn wake(&mut self, id: u64) {
        let now = self.now();
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        // A timer that was set earlier meanwhile: this one is nobody's any more, and setting it again would double it.
        if controller.armed.is_none_or(|armed| armed > now) {
            return;
        }
        controller.armed = None;
        let due = controller.core.as_ref().and_then(Core::next_wakeup).map(|at| controller.clock.when(at));
        match due {
            Some(due) if due <= now => self.step(id, Input::Wake),
            _ => self.arm(id),
        }
    }

    /// Sees to it that the core is woken when it asked for it; a timer that comes too early is set again.
    pub(super) fn arm(&mut self, id: u64) {
        let now = self.now();
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let Some(at) = controller.core.as_ref().and_then(Core::next_wakeup) else { return };
        let at = controller.clock.when(at).max(now.after(Micros::millis(1)));
        if controller.armed.is_none_or(|armed| armed > at || armed < now) {
            controller.armed = Some(at);
            let what = ToController::Wake { life: controller.life };
            self.engine.at(at, Happening::Controller { to: id, what });
        }
    }

    /// A controller dies at once, and starts again after a pause, if at all.
    pub(crate) fn crash(&mut self, id: u64, why: &str, pause: Option<Micros>) {
        let waiting = self.calls.values().filter(|(_, at)| *at == id).count();
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        if !controller.is_there() {
            return;
        }
        let led = controller.leads();
        controller.core = None;
        controller.provider = None;
        controller.looking = false;
        controller.countdown = None;
        controller.mailbox.clear();
        controller.links.clear();
        controller.saving.clear();
        controller.status = Status::Down;
        controller.armed = None;
        let remains = controller.disk.crash(&mut controller.random);
        match remains {
            Remains::Nothing => {}
            Remains::Whole => self.coverage.mark(Mark::UnheardWrite),
            Remains::Torn => self.coverage.mark(Mark::TornWrite),
            Remains::Lost => self.coverage.mark(Mark::LostWrite),
        }
        if led && waiting > 0 {
            self.coverage.mark(Mark::LeaderLostInFlight);
        }
        self.calls.retain(|_, (_, at)| *at != id);
        if let Some(pause) = pause {
            self.engine.after(pause, Happening::Restart { controller: id });
        }
        self.say(|| format!("controller {id} dies {why}; its write: {remains:?}"));
    }

    /// One that died starts again; often it is upgraded at that.
    pub(super) fn restart(&mut self, id: u64) {
        let down = self.controllers.get(&id).is_some_and(|controller| controller.status == Status::Down);
        if down && !self.is_frozen(id) {
            if self.random.flip() {
                self.upgrade(id);
            }
            self.start(id);
        }
    }

    fn upgrade(&mut self, id: u64) {
        if self.swarm.kinds.contains(&FaultKind::MixedVersions)
            && let Some(controller) = self.controllers.get_mut(&id)
        {
            controller.release = NEXT_RELEASE;
        }
    }

    /// Now and then somebody upgrades a controller: it is stopped and started again.
    pub(super) fn tend_upgrades(&mut self) {
        if self.healed || !self.random.chance(20_000) {
            return;
        }
        let is_old = |controller: &Controller| controller.is_up() && controller.release < NEXT_RELEASE;
        let old = self.controllers.iter().find(|(_, controller)| is_old(controller)).map(|(id, _)| *id);
        if let Some(id) = old.filter(|_| self.swarm.kinds.contains(&FaultKind::MixedVersions)) {
            self.upgrade(id);
            self.crash(id, "to be upgraded", Some(Micros::seconds(2)));
        }
    }

    /// The others follow rules that its release does not know: it stops, and somebody upgrades it.
    pub(super) fn too_old(&mut self, id: u64, why: &Unsupported) {
        self.coverage.mark(Mark::TooOld);
        self.say(|| format!("controller {id} stops: {why}"));
        self.upgrade(id);
        self.crash(id, "as its release is too old", Some(Micros::seconds(3)));
    }

    /// A controller stands still for a while.
    pub(crate) fn pause(&mut self, id: u64, span: Micros) {
        let waiting = self.calls.values().any(|(_, at)| *at == id);
        let Some(controller) = self.controllers.get_mut(&id).filter(|controller| controller.is_up()) else {
            return;
        };
        controller.status = Status::Paused;
        let (led, life) = (controller.leads(), controller.life);
        if led && waiting {
            self.coverage.mark(Mark::LeaderLostInFlight);
        }
        self.engine.after(span, Happening::Resume { controller: id, life });
        self.say(|| format!("controller {id} stands still for {span:?}"));
    }

    /// It goes on, with all that came meanwhile.
    pub(crate) fn resume(&mut self, id: u64, life: u32) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        if controller.status != Status::Paused || controller.life != life {
            return;
        }
        if self.healed && !self.core.contains(&id) {
            return;
        }
        controller.status = Status::Up;
        controller.armed = None;
        let mailbox = std::mem::take(&mut controller.mailbox);
        self.say(|| format!("controller {id} goes on"));
        for what in mailbox {
            self.reach_controller(id, what);
        }
        self.arm(id);
    }

    pub(super) fn schedule_sync(&mut self, id: u64, pause: Option<Micros>) {
        let (Some(pause), Some(controller)) = (pause, self.controllers.get(&id)) else { return };
        let what = ToController::Synced { life: controller.life };
        self.engine.after(pause, Happening::Controller { to: id, what });
    }

    /// A new connection: both ends say where they are.
    fn greet(&mut self, id: u64) {
        let others: Vec<u64> = self.controllers.keys().copied().filter(|other| *other != id).collect();
        for other in others {
            self.introduce(id, other);
            self.introduce(other, id);
        }
    }

    fn introduce(&mut self, from: u64, to: u64) {
        let open = self.network.is_open(Place::Controller(from), Place::Controller(to));
        let there = self.controllers.get(&from).is_some_and(Controller::is_up);
        let life = self.controllers.get(&to).filter(|to| to.is_up()).map(|to| to.life);
        if let (true, true, Some(life)) = (open, there, life) {
            let input = Box::new(Input::PeerSaid { peer: ControllerId(from), card: self.card_of(from) });
            let what = ToController::Say { life, input };
            self.engine.after(Micros::millis(3), Happening::Controller { to, what });
        }
    }

    /// Connections that were down come up again and again.
    pub(super) fn exchange_cards(&mut self) {
        let Some(leader) = self.leader() else { return };
        let ids: Vec<u64> = self.controllers.keys().copied().collect();
        let state = self.reference.state();
        let known = |id: &u64| {
            state.controller(ControllerId(*id)).is_some_and(|known| known.card != self.card_of(*id))
        };
        let unknown: Vec<u64> = ids.into_iter().filter(known).collect();
        unknown.into_iter().filter(|id| *id != leader).for_each(|id| self.introduce(id, leader));
    }

    fn card_of(&self, id: u64) -> ControllerCard {
        ControllerCard {
            address: format!("10.0.0.{id}:7400"),
            http: format!("http://10.0.0.{id}:7380"),
            supports: self.controllers.get(&id).map_or(0, |controller| controller.release),
        }
    }
}
