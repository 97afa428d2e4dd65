//! From the first phase to the second: a quorum is healed, its faults end for good, all others stay as they are.

use super::World;
use super::happening::ToController;
use crate::clock::{Micros, TRUE_RATE};
use crate::controller::Status;
use crate::network::{Block, Place, Side};
use crate::random::Random;
use crate::worker::Act;
use std::collections::BTreeSet;
use tidegate_scheduler::Input;
use tidegate_scheduler::command::{ClientCommand, PoolSettings, QuotaKey, RunLimits};
use tidegate_scheduler::consensus::Members;

/// The number of blocks that nobody lifts.
const FOR_EVER: u32 = u32::MAX;

impl World {
    /// Whether a controller must stay as it is.
    pub(super) fn is_frozen(&self, id: u64) -> bool {
        self.healed && !self.core.contains(&id)
    }

    /// Chooses who is healed: a random quorum of those that have what they acknowledged, by all that any of them
    /// knows of who is a member.
    fn choose_core(&self) -> BTreeSet<u64> {
        let mut random = Random::stream(self.swarm.seed, "core");
        let mut sound: Vec<u64> = self.members.all().into_iter().filter(|id| self.is_sound(*id)).collect();
        random.shuffle(&mut sound);
        let mut core = BTreeSet::new();
        for id in sound {
            if self.is_quorum(&core) {
                break;
            }
            core.insert(id);
        }
        core
    }

    /// Whether these decide, as the newest entry has it and as each of them remembers.
    pub(crate) fn is_quorum(&self, core: &BTreeSet<u64>) -> bool {
        let majority = |voters: &[u64]| {
            voters.is_empty() || voters.iter().filter(|id| core.contains(id)).count() * 2 > voters.len()
        };
        let decides = |members: &Members| majority(&members.voters) && majority(&members.outgoing);
        let own = core.iter().filter_map(|id| self.controllers.get(id)).map(|it| &it.members);
        decides(&self.members) && own.filter(|members| !members.voters.is_empty()).all(decides)
    }

    /// Ends all faults inside a quorum, and freezes all else.
    pub(crate) fn heal(&mut self) {
        let now = self.now();
        self.note_felt();
        self.note_chances();
        self.core = self.choose_core();
        self.healed = true;
        let core = self.core.clone();
        self.say(|| format!("all faults end for controllers {core:?}; the others stay as they are"));
        self.freeze_others();
        self.calm_surroundings(&core);
        for id in core {
            let Some(controller) = self.controllers.get_mut(&id) else { continue };
            controller.countdown = None;
            controller.disk.slow(1);
            controller.clock.set_rate(now, TRUE_RATE);
            let (status, life) = (controller.status.clone(), controller.life);
            match status {
                Status::Down => self.start(id),
                Status::Paused => self.resume(id, life),
                Status::Up => self.arm(id),
                Status::Refuses(_) | Status::Gone => {}
            }
        }
        self.free_disks();
        self.mend_machines();
        if self.swarm.lifts_limits {
            self.lift_limits();
        }
    }

    /// Every pool may grow, and no quota holds it: then all must end.
    fn lift_limits(&mut self) {
        let state = self.reference.state();
        let pools: Vec<PoolSettings> = state.pools().map(|(_, pool)| pool.settings.clone()).collect();
        let limited = |key: &QuotaKey| state.quota().allowance(key).is_some();
        let keys: Vec<QuotaKey> = state.quota().keys().filter(limited).collect();
        let workspaces: Vec<String> = state.workspaces().map(|it| it.name.to_string()).collect();
        for settings in pools {
            let most = settings.max_instances.max(2);
            let settings = PoolSettings { min_instances: 0, max_instances: most, ..settings };
            self.ask_as_operator(ClientCommand::ApplyPool(Box::new(settings)));
        }
        for key in keys {
            self.ask_as_operator(ClientCommand::SetQuota { key, allowance: None });
        }
        for workspace in workspaces {
            self.ask_as_operator(ClientCommand::SetWorkspace { workspace, limits: RunLimits::default() });
        }
    }

    /// Every controller is told to give all nodes back, as it is when a cluster is stopped.
    pub(crate) fn drain(&mut self, force: bool) {
        let ids: Vec<u64> = self.core.iter().copied().collect();
        for id in ids {
            if let Some(life) = self.controllers.get(&id).map(|it| it.life) {
                let input = Box::new(Input::Drain { force });
                self.reach_controller(id, ToController::Say { life, input });
            }
        }
    }

    /// Compares all of those that are healed with each other, and looks once more at the whole of it.
    pub(crate) fn compare_all(&mut self) {
        let core = self.core.clone();
        core.into_iter().for_each(|id| self.compare_state(id));
        self.reference.at_rest(&mut self.found);
    }

    /// What is outside of the quorum fails for ever: dead, still, deaf, mute or cut off. One that were well but for
    /// its workers could lead for ever, which no consensus prevents.
    fn freeze_others(&mut self) {
        let mut random = Random::stream(self.swarm.seed, "others");
        let others: Vec<u64> =
            self.controllers.keys().copied().filter(|id| !self.core.contains(id)).collect();
        for id in others {
            let alone = Side::from([Place::Controller(id)]);
            let all = self.all_places();
            match random.below(5) {
                0 => self.crash(id, "for ever", None),
                1 => self.pause(id, Micros::seconds(1)),
                2 => self.network.block(FOR_EVER, Block { from: alone, to: all }),
                3 => self.network.block(FOR_EVER, Block { from: all, to: alone }),
                _ => {
                    self.network.block(FOR_EVER, Block { from: alone.clone(), to: all.clone() });
                    self.network.block(FOR_EVER, Block { from: all, to: alone });
                }
            }
        }
    }

    fn calm_surroundings(&mut self, core: &BTreeSet<u64>) {
        let controllers = core.iter().map(|id| Place::Controller(*id));
        let machines = self.machines.keys().map(|id| Place::Machine(*id));
        let clients = (0..self.swarm.mix.clients).map(World::place_of);
        let among: Side = controllers.chain(machines).chain(clients).collect();
        self.network.calm();
        self.network.heal(&among);
        self.cloud.calm();
        self.arm_cloud();
    }

    /// Workers are there again, and what runs on them ends soon.
    fn mend_machines(&mut self) {
        let soon = self.now().after(Micros::seconds(20));
        let all: Vec<u64> = self.machines.keys().copied().collect();
        for id in all {
            let Some(machine) = self.machines.get_mut(&id) else { continue };
            machine.on = true;
            let paused = machine.paused;
            let acts: Vec<Act> = machine.worker.hasten(soon);
            if paused {
                self.reach_machine(id, super::happening::ToMachine::Resume);
            }
            self.act(id, acts);
        }
    }
}
