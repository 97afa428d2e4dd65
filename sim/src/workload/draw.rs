//! Drawing the requests of one play.

mod capacity;

use super::{Ask, Mix, Planned};
use crate::clock::Micros;
use crate::random::Random;
use tidegate_scheduler::command::{
    After, ClientCommand, DependsOn, OnDisconnect, PoolSettings, RunLimits, RunSelector, Scheduling, Submit,
};
use tidegate_scheduler::ids::{ContentId, ControllerId, RequestKey};
use tidegate_scheduler::resources::{Need, Resources, Tier, VmSize};
use tidegate_scheduler::state::DEFAULT_WORKSPACE;
use tidegate_scheduler::time::Millis;

const MILLION: u64 = 1_000_000;
/// Sizes of VM by vCPU.
const VCPU: [u32; 3] = [2, 4, 8];

/// Draws all requests of a play that lasts so long.
pub fn plan(seed: u64, mix: &Mix, span: Micros) -> Vec<Planned> {
    let random = Random::stream(seed, "workload");
    let mut draw = Draw { random, mix, span, planned: Vec::new(), runs: Vec::new(), commands: 0 };
    draw.set_up();
    while draw.commands < mix.commands {
        draw.one();
    }
    let mut planned = draw.planned;
    planned.sort_by_key(|planned| planned.at);
    for (number, planned) in planned.iter_mut().enumerate() {
        planned.number = number as u32;
    }
    planned
}

struct Draw<'a> {
    random: Random,
    mix: &'a Mix,
    span: Micros,
    planned: Vec<Planned>,
    /// What was submitted so far, and when.
    runs: Vec<(Submit, Micros)>,
    /// How many commands are asked for before faults end, whatever happens: no reads, and nothing said again.
    commands: u64,
}

impl Draw<'_> {
    fn set_up(&mut self) {
        for pool in 0..self.mix.pools {
            let settings = self.pool(pool);
            self.command(Micros(pool * 100_000), ClientCommand::ApplyPool(Box::new(settings)));
        }
        if self.mix.quotas > 0 {
            let command = self.quota();
            self.command(Micros::millis(500), command);
        }
    }

    fn when(&mut self) -> Micros {
        Micros::seconds(1).after(Micros(self.random.below(self.span.since(Micros::seconds(1)).0)))
    }

    fn one(&mut self) {
        let mix = self.mix;
        let at = self.when();
        let mut dice = self.random.below(MILLION) as i64;
        let mut is = |share: u32| {
            dice -= i64::from(share);
            dice < 0 && dice >= -i64::from(share)
        };
        if is(mix.storms) {
            self.storm(at);
        } else if is(mix.quotas) {
            // Often at the very moment at which there is more to do.
            let picked = self.random.below(self.runs.len().max(1) as u64 * 2) as usize;
            let at = self.runs.get(picked).map_or(at, |(_, submitted)| *submitted);
            let command = self.quota();
            self.command(at, command);
        } else if is(mix.run_limits) {
            let command = self.run_limits();
            self.command(at, command);
        } else if is(mix.pool_changes) {
            let command = self.pool_change();
            self.command(at, command);
        } else if is(mix.cancels) {
            self.cancel_or_retry(at);
        } else if is(mix.nonsense) {
            self.nonsense(at);
        } else if is(mix.reads) {
            self.push(at, Ask::Read);
        } else if is(mix.membership) {
            self.membership(at);
        } else {
            let submit = self.submit();
            self.hand_in(at, submit);
        }
    }

    fn push(&mut self, at: Micros, ask: Ask) {
        let client = self.random.below(self.mix.clients);
        self.planned.push(Planned { number: 0, at, client, ask });
    }

    fn command(&mut self, at: Micros, command: ClientCommand) {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.random.bits().to_be_bytes());
        key[8..].copy_from_slice(&self.random.bits().to_be_bytes());
        let ask = Ask::Command { key: RequestKey(key), command };
        if self.random.chance(self.mix.again) {
            // At once and by another client, or much later.
            let later = match self.random.flip() {
                true => Micros(self.random.below(5000)),
                false => Micros(self.random.exponential(30_000_000)),
            };
            self.push(at.after(later), ask.clone());
        }
        // A controller is added only while there are few.
        let is_made = !matches!(ask, Ask::Command { command: ClientCommand::AddController { .. }, .. });
        self.commands += u64::from(is_made && at < self.span);
        self.push(at, ask);
    }

    fn submit(&mut self) -> Submit {
        let number = self.runs.len() as u64;
        let need = match self.random.below(5) {
            0 => Need::WholeNode,
            _ => Need::Part(Resources {
                vcpu: self.random.between(1..=2) as u32,
                memory_mib: self.random.between(0..=2) * 1024,
                gpu_milli: 0,
            }),
        };
        let pool = self.random.flip().then(|| format!("pool-{}", self.random.below(self.mix.pools)));
        let count = if self.random.flip() { 1 } else { self.random.scale(1..=self.mix.elements_max) as u32 };
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        Submit {
            name: format!("run-{number}"),
            workspace: DEFAULT_WORKSPACE.into(),
            experiment: "sim".into(),
            pool,
            count,
            need,
            priority: self.priority(),
            scheduling: self.scheduling(),
            retries: self.random.below(3) as u16,
            on_disconnect: if self.random.below(4) == 0 {
                OnDisconnect::Stop
            } else {
                OnDisconnect::Continue
            },
            grace: Millis(self.random.scale(1..=30_000)),
            digest: ContentId(digest),
            body: vec![0; self.random.scale(1..=300) as usize],
        }
    }

    fn hand_in(&mut self, at: Micros, submit: Submit) {
        self.runs.push((submit.clone(), at));
        self.command(at, ClientCommand::Submit(Box::new(submit)));
    }

    fn storm(&mut self, at: Micros) {
        let shape = self.submit();
        for _ in 0..self.random.between(8..=40) {
            let next = self.submit();
            self.hand_in(at, Submit { need: shape.need, pool: shape.pool.clone(), ..next });
        }
    }

    fn pool(&mut self, number: u64) -> PoolSettings {
        let vcpu = VCPU[number as usize % VCPU.len()];
        let max = self.random.between(1..=self.mix.max_instances);
        PoolSettings {
            workspace: DEFAULT_WORKSPACE.into(),
            name: format!("pool-{number}"),
            region: "sim".into(),
            size: VmSize {
                name: format!("Sim_D{vcpu}"),
                family: format!("sim{}", number % self.mix.families),
                capacity: Resources { vcpu, memory_mib: 4096 * u64::from(vcpu), gpu_milli: 0 },
                hourly_price_micros: 100_000,
            },
            tier: Tier::Dedicated,
            min_instances: if self.random.below(3) == 0 { self.random.between(0..=max) as u32 } else { 0 },
            max_instances: max as u32,
            idle_time_before_scale_down: Millis(self.random.scale(1000..=200_000)),
            order: self.order(),
            team: self.team_of_pool(),
            provider: Vec::new(),
        }
    }

    fn pool_change(&mut self) -> ClientCommand {
        let number = self.random.below(self.mix.pools);
        let mut settings = self.pool(number);
        match self.random.below(8) {
            0 => ClientCommand::DeletePool {
                workspace: settings.workspace,
                pool: settings.name,
                force: self.random.flip(),
            },
            1 => {
                (settings.min_instances, settings.max_instances) = (0, 0);
                ClientCommand::ApplyPool(Box::new(settings))
            }
            _ => ClientCommand::ApplyPool(Box::new(settings)),
        }
    }

    /// Of what was submitted, most often soon after: so that a cancel races with starts and ends.
    fn cancel_or_retry(&mut self, at: Micros) {
        let picked = self.random.below(self.runs.len().max(1) as u64) as usize;
        let Some((submit, submitted)) = self.runs.get(picked).cloned() else { return };
        let at = match self.random.flip() {
            true => submitted.after(Micros(self.random.exponential(3 * self.mix.run_mean.0))),
            false => at,
        };
        let element = self.random.flip().then(|| self.random.below(u64::from(submit.count)) as u32);
        let which = RunSelector { workspace: submit.workspace, run: submit.name, element };
        match self.random.below(3) {
            0 => self.command(at, ClientCommand::Retry(which)),
            _ => self.command(at, ClientCommand::Cancel(which)),
        }
    }

    /// Names and numbers at the end of their range, or beyond it.
    fn extreme(&mut self, at: Micros) {
        let submit = self.submit();
        let name = match self.random.below(4) {
            0 => String::new(),
            1 => "n".repeat(256),
            2 => "n".repeat(1 << 16),
            _ => "\u{0}\u{7f}\u{202e}".into(),
        };
        let huge = Resources { vcpu: u32::MAX, memory_mib: u64::MAX, gpu_milli: u32::MAX };
        let none = Resources { vcpu: 0, memory_mib: 0, gpu_milli: 0 };
        let number = *self.random.pick(&[0, u64::MAX, u64::MAX - 1]).unwrap_or(&0);
        let which = RunSelector { workspace: name.clone(), run: name.clone(), element: Some(u32::MAX) };
        let command = match self.random.below(17) {
            0 => ClientCommand::Submit(Box::new(Submit { name, ..submit })),
            1 => ClientCommand::Submit(Box::new(Submit { workspace: name, ..submit })),
            2 => ClientCommand::Submit(Box::new(Submit { pool: Some(name), ..submit })),
            3 => ClientCommand::Submit(Box::new(Submit { need: Need::Part(huge), ..submit })),
            4 => ClientCommand::Submit(Box::new(Submit { count: 0, ..submit })),
            5 => ClientCommand::Submit(Box::new(Submit { count: u32::MAX, ..submit })),
            6 => ClientCommand::Submit(Box::new(Submit { body: vec![0; 100_000], ..submit })),
            7 => ClientCommand::Cancel(which),
            8 => ClientCommand::Retry(which),
            9 => ClientCommand::DeletePool { workspace: name.clone(), pool: name, force: true },
            10 => ClientCommand::RemoveController { id: ControllerId(1_000_000 + number / 2) },
            11 => self.odd_allowance(name, number),
            12 => ClientCommand::SetWorkspace { workspace: name, limits: RunLimits::default() },
            13 => {
                let scheduling = Scheduling { team: Some(name), ..Scheduling::default() };
                ClientCommand::Submit(Box::new(Submit { scheduling, ..submit }))
            }
            14 => {
                let after = vec![After { run: name, on: DependsOn::Ended }; 1 + (number % 2) as usize * 1500];
                let scheduling = Scheduling { after, ..Scheduling::default() };
                ClientCommand::Submit(Box::new(Submit { scheduling, ..submit }))
            }
            _ => {
                let mut settings = self.pool(0);
                (settings.min_instances, settings.max_instances) = (u32::MAX, u32::MAX);
                match self.random.below(4) {
                    0 => settings.size.capacity = none,
                    1 => settings.name = name,
                    2 => settings.min_instances = settings.max_instances - 1,
                    _ => {
                        // One that is accepted, and never has a node.
                        settings.name = "pool-huge".into();
                        settings.size.capacity = huge;
                        settings.size.family = "huge".into();
                        settings.size.hourly_price_micros = u64::MAX;
                        settings.idle_time_before_scale_down = Millis(u64::MAX);
                        (settings.min_instances, settings.max_instances) = (0, 0);
                    }
                }
                ClientCommand::ApplyPool(Box::new(settings))
            }
        };
        self.command(at, command);
    }

    fn nonsense(&mut self, at: Micros) {
        if self.random.flip() {
            return self.extreme(at);
        }
        let mut submit = self.submit();
        match self.random.below(5) {
            0 => {
                let vcpu = 1000;
                submit.need = Need::Part(Resources { vcpu, memory_mib: 0, gpu_milli: 1000 });
                self.hand_in(at, submit);
            }
            1 => self.command(at, ClientCommand::Submit(Box::new(Submit { name: "../x".into(), ..submit }))),
            2 => {
                let pool = Some("nowhere".into());
                self.command(at, ClientCommand::Submit(Box::new(Submit { pool, ..submit })));
            }
            3 => {
                let which =
                    RunSelector { workspace: "nobody".into(), run: "no-such-run".into(), element: Some(7) };
                self.command(at, ClientCommand::Cancel(which));
            }
            _ => {
                // A name that is taken, for something else.
                let digest = ContentId([0xee; 32]);
                let picked = self.random.below(self.runs.len().max(1) as u64) as usize;
                if let Some((known, _)) = self.runs.get(picked).cloned() {
                    self.command(at, ClientCommand::Submit(Box::new(Submit { digest, ..known })));
                }
            }
        }
    }

    fn membership(&mut self, at: Micros) {
        match self.random.below(5) {
            0 => self.command(at, ClientCommand::AddController { voter: true, replaces: None }),
            1 => self.command(at, ClientCommand::AddController { voter: false, replaces: None }),
            2 => {
                let dice = self.random.bits();
                self.push(at, Ask::Remove { dice });
            }
            _ => {
                let dice = self.random.bits();
                self.push(at, Ask::Transfer { dice });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_gives_one_workload_of_at_least_200_commands_in_order() {
        for seed in 0..20 {
            let (mix, span) = (Mix::draw(&mut Random::new(seed)), Micros::seconds(600));
            let planned = plan(seed, &mix, span);
            assert_eq!(planned, plan(seed, &mix, span));
            let commands: BTreeSet<RequestKey> = planned
                .iter()
                .filter(|planned| planned.at < span)
                .filter_map(|planned| match &planned.ask {
                    Ask::Command { command: ClientCommand::AddController { .. }, .. } => None,
                    Ask::Command { key, .. } => Some(*key),
                    _ => None,
                })
                .collect();
            assert!(commands.len() as u64 >= mix.commands && mix.commands >= 200);
            assert!(planned.len() > commands.len(), "reads, and what is said again, come on top");
            assert!(planned.windows(2).all(|pair| pair[0].at <= pair[1].at));
            assert!(planned.iter().enumerate().all(|(at, planned)| planned.number == at as u32));
        }
    }
}
