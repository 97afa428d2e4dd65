//! What a worker or a provider says that cannot be so: refused, and never a panic.

use super::World;
use crate::random::Random;
use tidegate_scheduler::ids::{Fence, NodeId};
use tidegate_scheduler::message::{End, FromWorker, Phase, Report};
use tidegate_scheduler::time::WallMicros;
use tidegate_scheduler::{Input, ProviderEvent};

impl World {
    /// One that leads hears a few such things.
    pub(super) fn poison(&mut self, random: &mut Random) -> Option<String> {
        let leader = self.leader()?;
        let count = random.between(1..=8);
        for _ in 0..count {
            let input = self.nonsense(random);
            if let Input::Worker { node, .. } = &input {
                let now = self.now();
                self.silence.heard(leader, *node, now);
            }
            self.step(leader, input);
        }
        Some(format!("controller {leader}, {count} times"))
    }

    fn nonsense(&self, random: &mut Random) -> Input {
        let state = self.reference.state();
        let known: Vec<NodeId> = state.nodes().map(|(id, _)| id).collect();
        let nobody = *random.pick(&[0, u64::MAX, u64::MAX - 1, 1 << 40]).unwrap_or(&0);
        let node = random.pick(&known).copied().filter(|_| random.flip()).unwrap_or(NodeId(nobody));
        // An attempt of another node, or of none.
        let foreign: Vec<Fence> =
            state.attempts().filter(|(_, attempt)| attempt.node != node).map(|(fence, _)| fence).collect();
        let never = Fence(*random.pick(&[0, 1, u64::MAX]).unwrap_or(&0));
        let fence = random.pick(&foreign).copied().filter(|_| random.flip()).unwrap_or(never);
        let at = WallMicros(*random.pick(&[0, u64::MAX]).unwrap_or(&0));
        let long = "x".repeat(random.scale(1..=100_000) as usize);
        let message = match random.below(6) {
            0 => return Input::WorkerConnected { node: NodeId(nobody) },
            1 => {
                let event = match random.below(3) {
                    0 => ProviderEvent::Booting,
                    1 => ProviderEvent::Failed { reason: long },
                    _ => ProviderEvent::Gone,
                };
                return Input::Provider { node: NodeId(nobody), event };
            }
            2 => FromWorker::Phase { fence, phase: Phase::Running, at },
            3 => {
                let attempts = vec![(fence, Phase::Finalizing, at), (fence, Phase::Preparing, at)];
                let message = FromWorker::Attach { incarnation: u64::MAX, attempts };
                return Input::Worker { node: NodeId(nobody), message };
            }
            _ => FromWorker::Ended(Box::new(Report {
                fence,
                end: match random.below(3) {
                    0 => End::Succeeded,
                    1 => End::Exited { code: i32::MIN },
                    _ => End::System { reason: long.clone() },
                },
                started: at,
                ended: WallMicros(0),
                cpu_micros: u64::MAX,
                max_rss_kib: u64::MAX,
                artifacts: vec![0xff; 100],
                notes: vec![String::new(), long],
            })),
        };
        Input::Worker { node, message }
    }
}
