//! Machines with workers on them, and the cloud that makes them.

use super::World;
use super::happening::{Happening, ToMachine};
use super::links::Link;
use crate::clock::Micros;
use crate::cloud::CloudEvent;
use crate::coverage::Mark;
use crate::faults::FaultKind;
use crate::worker::{Act, Worker};
use std::collections::BTreeMap;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::{Input, ProviderEvent};

/// A VM whose worker has started.
pub(crate) struct Machine {
    pub(crate) worker: Worker,
    /// Whether it runs; one that is off hears nothing.
    pub(crate) on: bool,
    /// It stands still; what comes waits.
    pub(crate) paused: bool,
    pub(crate) inbox: Vec<ToMachine>,
    /// Its provider retires it at the moment at which it next reports an end.
    pub(crate) condemned: bool,
    /// Its links, by controller.
    pub(crate) links: BTreeMap<u64, Link>,
}

impl World {
    /// Sees to it that the cloud is looked at when something in it is due.
    pub(super) fn arm_cloud(&mut self) {
        let Some(at) = self.cloud.next_at() else { return };
        if self.cloud_at.is_none_or(|armed| armed > at) {
            self.cloud_at = Some(at);
            self.engine.at(at, Happening::Cloud);
        }
    }

    pub(super) fn advance_cloud(&mut self) {
        self.cloud_at = None;
        let now = self.now();
        for event in self.cloud.advance(now) {
            match event {
                CloudEvent::Booted { vm, node } => self.boot(vm, node),
                CloudEvent::Gone { vm } => self.unplug(vm),
            }
        }
        self.arm_cloud();
    }

    fn boot(&mut self, vm: u64, node: NodeId) {
        let now = self.now();
        self.say(|| format!("VM {vm} for {node} is up"));
        let worker = Worker::new(node, self.random.bits(), now);
        let machine = Machine {
            worker,
            on: true,
            paused: false,
            inbox: Vec::new(),
            condemned: false,
            links: BTreeMap::new(),
        };
        self.machines.insert(vm, machine);
        self.engine.after(Micros(1), Happening::Machine { machine: vm, what: ToMachine::Beat });
    }

    /// The machine is no more, and its links with it.
    pub(crate) fn unplug(&mut self, vm: u64) {
        self.say(|| format!("VM {vm} is gone"));
        self.drop_links(vm);
        self.machines.remove(&vm);
    }

    /// Something comes to a machine.
    pub(super) fn reach_machine(&mut self, id: u64, what: ToMachine) {
        let now = self.now();
        let Some(machine) = self.machines.get_mut(&id) else { return };
        match what {
            ToMachine::Back => {
                machine.on = true;
                return;
            }
            ToMachine::Resume => return self.resume_machine(id),
            ToMachine::Beat => {
                self.engine
                    .after(Micros::seconds(1), Happening::Machine { machine: id, what: ToMachine::Beat });
                if !machine.on || machine.paused {
                    return;
                }
            }
            what if machine.paused => return machine.inbox.push(what),
            _ if !machine.on => return,
            _ => {}
        }
        match what {
            ToMachine::Beat => self.beat(id),
            ToMachine::Attempt { fence } => {
                let acts = machine.worker.wake(now, fence);
                self.act(id, acts);
            }
            ToMachine::Hear { controller, link, message } => self.hear(id, controller, link, *message),
            ToMachine::Pump { controller, link, to_controller } => {
                self.pump(id, controller, link, to_controller)
            }
            ToMachine::Back | ToMachine::Resume => {}
        }
    }

    fn resume_machine(&mut self, id: u64) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        machine.paused = false;
        for what in std::mem::take(&mut machine.inbox) {
            self.reach_machine(id, what);
        }
    }

    fn beat(&mut self, id: u64) {
        let now = self.now();
        self.tend_links(id);
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let acts = machine.worker.beat(now);
        self.act(id, acts);
    }

    fn hear(&mut self, id: u64, controller: u64, link: u64, message: tidegate_scheduler::message::ToWorker) {
        let now = self.now();
        let Some(machine) = self.machines.get_mut(&id) else { return };
        if machine.links.get(&controller).is_none_or(|known| known.number != link) {
            return;
        }
        let (seed, mix, healed) = (self.swarm.seed, &self.swarm.mix, self.healed);
        let mut fate = |assignment: &tidegate_scheduler::message::Assignment| {
            let mut fate = mix.fate(seed, assignment);
            if healed {
                // What is left is to drain soon.
                fate.prepare = fate.prepare.min(Micros::millis(10));
                fate.run = fate.run.min(Micros::millis(100));
                fate.finalize = fate.finalize.min(Micros::millis(10));
            }
            fate
        };
        let acts = machine.worker.hear(now, controller, message, &mut fate);
        self.act(id, acts);
    }

    /// The provider retires a node that runs: right behind what its worker has just said to this controller.
    pub(super) fn condemn(&mut self, controller: u64, id: u64) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        if std::mem::take(&mut machine.condemned) {
            let node = machine.worker.node();
            self.note_fault(FaultKind::Condemned);
            let event = ProviderEvent::Failed { reason: "its host is to be retired".into() };
            self.step(controller, Input::Provider { node, event });
        }
    }

    /// Does what a worker says.
    pub(crate) fn act(&mut self, id: u64, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Say { link, message } => self.send_controller(id, link, message),
                Act::Wake { at, fence } => {
                    self.engine
                        .at(at, Happening::Machine { machine: id, what: ToMachine::Attempt { fence } });
                }
                Act::Ignored => self.coverage.mark(Mark::OldLeaderIgnored),
            }
        }
    }
}
