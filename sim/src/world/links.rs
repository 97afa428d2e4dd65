//! Links between workers and controllers: in order and without loss while they are up; they break when a side dies,
//! or when nothing gets through for a while.

use super::World;
use super::happening::{Happening, ToController, ToMachine};
use crate::clock::Micros;
use crate::network::Place;
use std::collections::VecDeque;
use tidegate_scheduler::Input;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::message::{FromWorker, ToWorker};

/// So many seconds without a way through break a link.
const PATIENCE: u32 = 3;
/// How soon something is sent again on a path that was closed.
const AGAIN: Micros = Micros::millis(200);

/// One direction of a link.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    waiting: VecDeque<T>,
    last: Micros,
    pumping: bool,
}

impl<T> Default for Lane<T> {
    fn default() -> Self {
        Lane { waiting: VecDeque::new(), last: Micros(0), pumping: false }
    }
}

/// A link, as its worker's side knows it; each end notices by itself that it is broken.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) number: u64,
    /// The controller's life that it was made with.
    life: u32,
    missed: u32,
    up_lane: Lane<FromWorker>,
    down_lane: Lane<ToWorker>,
}

impl World {
    /// Each second: dials whom it has no link to, and gives up links on which nothing comes through.
    pub(super) fn tend_links(&mut self, id: u64) {
        let controllers: Vec<u64> = self.controllers.keys().copied().collect();
        for controller in controllers {
            let there = self.controllers.get(&controller).filter(|other| other.is_there());
            let life = there.map(|other| other.life);
            let (here, far) = (Place::Machine(id), Place::Controller(controller));
            let open = self.network.is_open(here, far) && self.network.is_open(far, here);
            let Some(machine) = self.machines.get_mut(&id) else { return };
            let known = machine.links.get_mut(&controller);
            match (known, life) {
                (Some(link), Some(life)) if link.life == life => {
                    link.missed = if open { 0 } else { link.missed + 1 };
                    if link.missed >= PATIENCE {
                        self.lose_link(id, controller);
                    }
                }
                (Some(_), _) => self.lose_link(id, controller),
                (None, Some(life)) if open => self.dial(id, controller, life),
                (None, _) => {}
            }
        }
    }

    fn dial(&mut self, id: u64, controller: u64, life: u32) {
        let now = self.now();
        self.next_link += 1;
        let number = self.next_link;
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let node = machine.worker.node();
        let link = Link { number, life, missed: 0, up_lane: Lane::default(), down_lane: Lane::default() };
        machine.links.insert(controller, link);
        let Some(link) = machine.links.get_mut(&controller) else { return };
        let (here, far) = (Place::Machine(id), Place::Controller(controller));
        let at = self.network.carry(now, here, far, &mut link.up_lane.last);
        let what = ToController::LinkUp { node, machine: id, link: number };
        self.engine.at(at, Happening::Controller { to: controller, what });
    }

    /// The worker's end breaks; the controller's end does so a little later, if it is there.
    pub(super) fn lose_link(&mut self, id: u64, controller: u64) {
        let now = self.now();
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let Some(link) = machine.links.remove(&controller) else { return };
        machine.worker.lose_link(now, controller);
        let node = machine.worker.node();
        let what = ToController::LinkDown { node, machine: id, link: link.number };
        self.engine.after(Micros::seconds(1), Happening::Controller { to: controller, what });
    }

    /// All links of a machine break at the worker's end; controllers notice when nothing comes any more.
    pub(crate) fn drop_links(&mut self, id: u64) {
        let Some(machine) = self.machines.get(&id) else { return };
        let all: Vec<u64> = machine.links.keys().copied().collect();
        all.into_iter().for_each(|controller| self.lose_link(id, controller));
    }

    pub(super) fn link_up(&mut self, id: u64, node: NodeId, machine: u64, link: u64) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        let before = controller.links.insert(node, (machine, link));
        // A later link takes the place of an earlier one, which is closed.
        if let Some((other, _)) = before.filter(|(other, _)| *other != machine) {
            self.lose_link(other, id);
        }
        self.step(id, Input::WorkerConnected { node });
    }

    pub(super) fn link_down(&mut self, id: u64, node: NodeId, machine: u64, link: u64) {
        let Some(controller) = self.controllers.get_mut(&id) else { return };
        if controller.links.get(&node) == Some(&(machine, link)) {
            controller.links.remove(&node);
            self.step(id, Input::WorkerDisconnected { node });
        }
    }

    /// To a worker, if it is connected.
    pub(super) fn send_worker(&mut self, id: u64, node: NodeId, message: ToWorker) {
        let Some((machine, number)) = self.controllers.get(&id).and_then(|it| it.links.get(&node).copied())
        else {
            return;
        };
        let link = self.machines.get_mut(&machine).and_then(|machine| machine.links.get_mut(&id));
        if let Some(link) = link.filter(|link| link.number == number) {
            link.down_lane.waiting.push_back(message);
            if !link.down_lane.pumping {
                self.pump(machine, id, number, false);
            }
        }
    }

    /// To a controller, over a link that is up.
    pub(super) fn send_controller(&mut self, id: u64, controller: u64, message: FromWorker) {
        let link = self.machines.get_mut(&id).and_then(|machine| machine.links.get_mut(&controller));
        if let Some(link) = link {
            link.up_lane.waiting.push_back(message);
            let number = link.number;
            if !link.up_lane.pumping {
                self.pump(id, controller, number, true);
            }
        }
    }

    /// Sends what waits on a link, or tries again soon.
    pub(super) fn pump(&mut self, id: u64, controller: u64, number: u64, to_controller: bool) {
        let now = self.now();
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let node = machine.worker.node();
        let Some(link) = machine.links.get_mut(&controller).filter(|link| link.number == number) else {
            return;
        };
        let (here, far) = (Place::Machine(id), Place::Controller(controller));
        let (from, to) = if to_controller { (here, far) } else { (far, here) };
        let pumping = if to_controller { &mut link.up_lane.pumping } else { &mut link.down_lane.pumping };
        *pumping = !self.network.is_open(from, to);
        if *pumping {
            let what = ToMachine::Pump { controller, link: number, to_controller };
            self.engine.after(AGAIN, Happening::Machine { machine: id, what });
            return;
        }
        if to_controller {
            let Lane { waiting, last, .. } = &mut link.up_lane;
            for message in waiting.drain(..) {
                let at = self.network.carry(now, from, to, last);
                let what =
                    ToController::Worker { node, machine: id, link: number, message: Box::new(message) };
                self.engine.at(at, Happening::Controller { to: controller, what });
            }
        } else {
            let Lane { waiting, last, .. } = &mut link.down_lane;
            for message in waiting.drain(..) {
                let at = self.network.carry(now, from, to, last);
                let what = ToMachine::Hear { controller, link: number, message: Box::new(message) };
                self.engine.at(at, Happening::Machine { machine: id, what });
            }
        }
    }
}
