//! Faults of the schedule: whom they hit, what they do, and how they end.

use super::World;
use super::happening::{Happening, ToController, ToMachine};
use crate::clock::{Micros, TRUE_RATE};
use crate::disk::Flaw;
use crate::faults::{Fault, FaultKind};
use crate::network::{Block, Place, Side};
use crate::random::Random;
use crate::worker::Worker;
use tidegate_scheduler::Input;

/// Controllers' numbers never come to this in a play.
const NUMBERS: u64 = 64;

/// Whether a fault of this kind has had its effect when it has hit somebody; all others are counted where they are
/// felt.
fn works_at_once(kind: FaultKind) -> bool {
    use FaultKind::*;
    match kind {
        Crash | CrashLeader | CrashAll | Pause | PauseLeader | Speed | WallJump => true,
        Vanish | AgentRestart | Reboot | FolderRemade | MachinePause | Repeat | Replay | Poison => true,
        Loss | Duplicate | Reorder | SmallQueues | Clog | SwizzleClog | SlowLink => false,
        Partition | OneWay | Isolate | IsolateLeader | HalfOpenClient | Zombie | LoseLeaderLink => false,
        SlowDisk | FullDisk | BitRot | MisdirectedWrite | SyncFails | DiskLost => false,
        SnapshotTruncated | SnapshotFlipped | SnapshotMissing => false,
        CrashInside | MixedVersions | Drift | Transfer | Replace => false,
        StockOut | Condemned | CreateTimesOut | CreatesTwice | NeverBoots | DeleteIgnored | StaleList => {
            false
        }
    }
}

impl World {
    pub(super) fn begin_fault(&mut self, at: usize) {
        if self.healed {
            return;
        }
        let fault = self.faults[at].clone();
        let mut random = Random::new(fault.dice);
        self.history.mix(&[u64::from(fault.number), fault.at.0]);
        let hit = match fault.kind.name().split('.').next() {
            Some("net") => self.begin_network_fault(&fault, &mut random),
            Some("disk") => self.begin_disk_fault(&fault, &mut random),
            Some("worker" | "cloud") => self.begin_machine_fault(&fault, &mut random),
            _ => self.begin_process_fault(&fault, &mut random),
        };
        if let Some(whom) = hit {
            self.say(|| format!("fault {}: {} hits {whom} for {:?}", fault.number, fault.kind, fault.span));
            if works_at_once(fault.kind) {
                self.note_fault(fault.kind);
            }
            self.engine.after(fault.span, Happening::FaultEnds { at });
        }
    }

    /// A controller that runs.
    fn pick_up(&self, random: &mut Random) -> Option<u64> {
        let up: Vec<u64> = self.controllers.iter().filter(|(_, it)| it.is_up()).map(|(id, _)| *id).collect();
        random.pick(&up).copied()
    }

    fn pick_machine(&self, random: &mut Random) -> Option<u64> {
        let on: Vec<u64> = self
            .machines
            .iter()
            .filter(|(_, machine)| machine.on && !machine.paused && !machine.worker.has_left())
            .map(|(id, _)| *id)
            .collect();
        random.pick(&on).copied()
    }

    fn controller_places() -> Side {
        (1..NUMBERS).map(Place::Controller).collect()
    }

    pub(super) fn all_places(&self) -> Side {
        let machines = self.machines.keys().map(|id| Place::Machine(*id));
        let clients = (0..self.swarm.mix.clients).map(World::place_of);
        let controllers = self.controllers.keys().map(|id| Place::Controller(*id));
        controllers.chain(machines).chain(clients).collect()
    }

    fn cut(&mut self, fault: &Fault, from: Side, to: Side, both: bool) {
        if both {
            self.network.block(fault.number, Block { from: to.clone(), to: from.clone() });
        }
        self.network.block(fault.number, Block { from, to });
    }

    fn begin_network_fault(&mut self, fault: &Fault, random: &mut Random) -> Option<String> {
        let both = fault.kind != FaultKind::OneWay && random.below(4) > 0;
        match fault.kind {
            FaultKind::Partition | FaultKind::OneWay => {
                let (one, other): (Side, Side) = self.all_places().into_iter().partition(|_| random.flip());
                self.cut(fault, one.clone(), other, fault.kind == FaultKind::Partition);
                Some(format!("{one:?}"))
            }
            FaultKind::Isolate | FaultKind::IsolateLeader => {
                let id = match fault.kind {
                    FaultKind::Isolate => self.pick_up(random)?,
                    _ => self.leader()?,
                };
                let alone = Side::from([Place::Controller(id)]);
                let mut others = self.all_places();
                others.remove(&Place::Controller(id));
                // A one-way cut may be either way.
                let (from, to) = if random.flip() { (alone, others) } else { (others, alone) };
                self.cut(fault, from, to, both);
                Some(format!("controller {id}, both ways: {both}"))
            }
            FaultKind::HalfOpenClient => {
                let client = Side::from([Place::Client(random.below(self.swarm.mix.clients))]);
                let all = World::controller_places();
                let (from, to) = if random.flip() { (client.clone(), all) } else { (all, client.clone()) };
                self.cut(fault, from, to, false);
                Some(format!("{client:?}"))
            }
            FaultKind::Replay => {
                let old: Vec<_> = self.old_messages.iter().filter(|_| random.flip()).cloned().collect();
                let count = old.len();
                if count == 0 {
                    return None;
                }
                for message in old {
                    let (to, message) = (message.to, Box::new(message));
                    self.engine.after(
                        Micros(random.below(50_000)),
                        Happening::Controller { to, what: ToController::Peer { message } },
                    );
                }
                Some(format!("{count} old messages"))
            }
            FaultKind::Clog | FaultKind::SwizzleClog => self.clog(fault, random),
            FaultKind::SlowLink => {
                let id = self.pick_up(random)?;
                self.slow(fault.number, id, random.scale(5..=200) as u32);
                Some(format!("controller {id}"))
            }
            _ => None,
        }
    }

    fn clog(&mut self, fault: &Fault, random: &mut Random) -> Option<String> {
        let now = self.now();
        let places: Vec<Place> = self.all_places().into_iter().collect();
        let paths = match fault.kind {
            FaultKind::Clog => random.between(1..=3),
            _ => random.between(3..=12),
        };
        for _ in 0..paths {
            let (from, to) = (*random.pick(&places)?, *random.pick(&places)?);
            // Freed in another order than clogged.
            let until = now.after(Micros(random.below(fault.span.0.max(1))));
            self.network.clog(fault.number, from, to, until);
        }
        Some(format!("{paths} paths"))
    }

    fn slow(&mut self, number: u32, id: u64, times: u32) {
        let here = Place::Controller(id);
        for there in self.all_places() {
            self.network.slow(number, here, there, times);
            self.network.slow(number, there, here, times);
        }
    }

    fn begin_disk_fault(&mut self, fault: &Fault, random: &mut Random) -> Option<String> {
        let id = self.pick_up(random)?;
        match fault.kind {
            FaultKind::SlowDisk => {
                let times = random.scale(10..=2000) as u32;
                self.controllers.get_mut(&id)?.disk.slow(times);
                return Some(format!("controller {id}, {times} times"));
            }
            FaultKind::FullDisk => {
                self.controllers.get_mut(&id)?.disk_full = true;
                self.step(id, Input::Storage { pressure: Some("the disk is full".into()) });
                return Some(format!("controller {id}"));
            }
            FaultKind::SyncFails => {
                self.controllers.get_mut(&id)?.disk.fail_next_sync();
                return Some(format!("controller {id}"));
            }
            _ => {}
        }
        if !self.may_damage(id) {
            return None;
        }
        let disk = &mut self.controllers.get_mut(&id)?.disk;
        let hit = match fault.kind {
            FaultKind::MisdirectedWrite => disk.misdirect(),
            FaultKind::SnapshotTruncated => disk.spoil_snapshot(Flaw::Truncated, random),
            FaultKind::SnapshotFlipped => disk.spoil_snapshot(Flaw::BitFlipped, random),
            FaultKind::SnapshotMissing => disk.spoil_snapshot(Flaw::Missing, random),
            _ => true,
        };
        if !hit {
            return None;
        }
        if fault.kind == FaultKind::MisdirectedWrite {
            // Nobody notices before it starts again, which it will.
            self.controllers.get_mut(&id)?.countdown = Some(random.scale(16..=4096) as u32);
            return Some(format!("controller {id}"));
        }
        self.crash(id, "as its disk is damaged", Some(fault.span));
        let controller = self.controllers.get_mut(&id)?;
        match fault.kind {
            FaultKind::BitRot => controller.disk.rot(),
            FaultKind::DiskLost => controller.disk.lose(),
            _ => {}
        }
        Some(format!("controller {id}"))
    }

    fn begin_process_fault(&mut self, fault: &Fault, random: &mut Random) -> Option<String> {
        match fault.kind {
            FaultKind::Crash => {
                let id = self.pick_up(random)?;
                self.crash(id, "suddenly", Some(fault.span));
                Some(format!("controller {id}"))
            }
            FaultKind::CrashLeader => {
                let id = self.leader()?;
                self.crash(id, "suddenly", Some(fault.span));
                Some(format!("controller {id}"))
            }
            FaultKind::CrashInside => {
                let id = self.pick_up(random)?;
                self.controllers.get_mut(&id)?.countdown = Some(random.scale(1..=64) as u32);
                Some(format!("controller {id}"))
            }
            FaultKind::CrashAll => {
                let all: Vec<u64> = self.controllers.keys().copied().collect();
                for id in all {
                    let pause = Micros(random.below(fault.span.0.max(1)));
                    self.crash(id, "along with all others", Some(pause));
                }
                Some("all controllers".into())
            }
            FaultKind::Pause | FaultKind::PauseLeader => {
                let id = match fault.kind {
                    FaultKind::Pause => self.pick_up(random)?,
                    _ => self.leader()?,
                };
                self.pause(id, fault.span);
                Some(format!("controller {id}"))
            }
            FaultKind::Speed => {
                let id = self.pick_up(random)?;
                let rate = random.between(TRUE_RATE / 2..=2 * TRUE_RATE);
                self.set_clock(id, rate);
                Some(format!("controller {id}: {rate} ppm"))
            }
            FaultKind::WallJump => {
                let id = self.pick_up(random)?;
                let jump = random.scale(1..=86_400_000_000) as i64;
                let jump = if random.flip() { jump } else { -jump };
                self.controllers.get_mut(&id)?.clock.jump_wall(jump);
                Some(format!("controller {id} by {jump} us"))
            }
            FaultKind::Transfer => {
                let id = self.leader()?;
                self.transfer(id, None, true);
                Some(format!("controller {id}"))
            }
            FaultKind::Replace => {
                let voters = self.members.voters.clone();
                let id = *random.pick(&voters)?;
                let free = self.may_add() && self.may_damage_nobody();
                if !free {
                    return None;
                }
                self.ask_to_replace(id, true);
                Some(format!("controller {id}"))
            }
            _ => None,
        }
    }

    fn set_clock(&mut self, id: u64, rate: u64) {
        let now = self.now();
        if let Some(controller) = self.controllers.get_mut(&id) {
            controller.clock.set_rate(now, rate);
        }
        self.arm(id);
    }

    fn begin_machine_fault(&mut self, fault: &Fault, random: &mut Random) -> Option<String> {
        let now = self.now();
        if fault.kind == FaultKind::Poison {
            return self.poison(random);
        }
        if fault.kind == FaultKind::StockOut {
            self.cloud.set_stock_out(true);
            return Some("the cloud".into());
        }
        let id = self.pick_machine(random)?;
        let alone = Side::from([Place::Machine(id)]);
        match fault.kind {
            FaultKind::Vanish => {
                self.cloud.vanish(now, id);
                self.arm_cloud();
            }
            FaultKind::Condemned => {
                self.machines.get_mut(&id)?.condemned = true;
                if random.flip() {
                    let leader = self.leader()?;
                    self.condemn(leader, id);
                }
            }
            FaultKind::Zombie => self.cut(fault, alone, World::controller_places(), true),
            FaultKind::LoseLeaderLink => {
                let leader = Side::from([Place::Controller(self.leader()?)]);
                self.cut(fault, alone, leader, true);
            }
            FaultKind::AgentRestart => {
                self.drop_links(id);
                self.machines.get_mut(&id)?.worker.restart_agent(now);
            }
            FaultKind::Reboot => {
                self.drop_links(id);
                let machine = self.machines.get_mut(&id)?;
                machine.worker.reboot(now);
                machine.on = false;
                self.engine.after(fault.span, Happening::Machine { machine: id, what: ToMachine::Back });
            }
            FaultKind::FolderRemade => {
                self.drop_links(id);
                let machine = self.machines.get_mut(&id)?;
                machine.worker = Worker::new(machine.worker.node(), random.bits(), now);
            }
            FaultKind::MachinePause => {
                if fault.span > Micros::seconds(4) {
                    self.drop_links(id);
                }
                self.machines.get_mut(&id)?.paused = true;
                self.engine.after(fault.span, Happening::Machine { machine: id, what: ToMachine::Resume });
            }
            FaultKind::Repeat => {
                let acts = self.machines.get(&id)?.worker.repeat();
                if acts.is_empty() {
                    return None;
                }
                self.act(id, acts);
            }
            _ => return None,
        }
        Some(format!("machine {id}"))
    }

    pub(super) fn end_fault(&mut self, at: usize) {
        if self.healed {
            return;
        }
        let fault = self.faults[at].clone();
        self.note_felt();
        self.network.unblock(fault.number);
        match fault.kind {
            FaultKind::SlowLink => {
                let all: Vec<u64> = self.controllers.keys().copied().collect();
                all.into_iter().for_each(|id| self.slow(fault.number, id, 1));
            }
            FaultKind::SlowDisk => self.controllers.values_mut().for_each(|it| it.disk.slow(1)),
            FaultKind::FullDisk => self.free_disks(),
            FaultKind::Speed => {
                let all: Vec<u64> = self.controllers.keys().copied().collect();
                all.into_iter().for_each(|id| self.set_clock(id, TRUE_RATE));
            }
            FaultKind::StockOut => self.cloud.set_stock_out(false),
            _ => {}
        }
    }

    /// There is room again on every disk.
    pub(super) fn free_disks(&mut self) {
        let full: Vec<u64> =
            self.controllers.iter().filter(|(_, it)| it.disk_full).map(|(id, _)| *id).collect();
        for id in full {
            if let Some(controller) = self.controllers.get_mut(&id) {
                controller.disk_full = false;
            }
            if let Some(life) = self.controllers.get(&id).filter(|it| it.is_there()).map(|it| it.life) {
                let input = Box::new(Input::Storage { pressure: None });
                self.reach_controller(id, ToController::Say { life, input });
            }
        }
    }
}
