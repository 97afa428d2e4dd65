//! The options of one play, all drawn from its seed: which faults there are and how often, how fast machines are,
//! what clients ask for, and the core's own limits.

use crate::clock::Micros;
use crate::cloud::CloudSettings;
use crate::disk::Speed;
use crate::faults::{FaultKind, How};
use crate::network::Quality;
use crate::random::Random;
use crate::workload::Mix;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tidegate_scheduler::Limits;
use tidegate_scheduler::time::Millis;

/// The drawn options.
#[derive(Clone, Debug)]
pub struct Swarm {
    /// Where they come from.
    pub seed: u64,
    /// How many controllers there are at first.
    pub founders: u64,
    /// How long faults last, before everything is to come to rest.
    pub safety: Micros,
    /// The kinds of faults that there are.
    pub kinds: BTreeSet<FaultKind>,
    /// How far apart the faults of each kind are.
    pub gaps: BTreeMap<FaultKind, Micros>,
    /// The network.
    pub quality: Quality,
    /// The disks.
    pub speed: Speed,
    /// The provider of VMs.
    pub cloud: CloudSettings,
    /// By how many millionths a clock is fast or slow at most.
    pub drift: u64,
    /// What clients ask for.
    pub mix: Mix,
    /// The core's limits.
    pub limits: Limits,
    /// Whether the cluster is drained when all has come to rest, and by force.
    pub drains: Option<bool>,
    /// Whether limits on use are lifted before everything is to come to rest, so that all must end.
    pub lifts_limits: bool,
}

impl Swarm {
    /// Draws the options of a seed, but for kinds of faults that are to be left out.
    pub fn draw(seed: u64, without: &BTreeSet<FaultKind>) -> Swarm {
        let mut random = Random::stream(seed, "swarm");
        let founders = [1, 3, 3, 3, 3, 5, 5][random.below(7) as usize];
        let safety = Micros::seconds(random.between(600..=720));
        // Some plays are calm, some are wild.
        let share = [100_000, 250_000, 400_000, 600_000][random.below(4) as usize];
        let mut on: BTreeSet<FaultKind> = BTreeSet::new();
        let mut gaps = BTreeMap::new();
        for kind in FaultKind::ALL {
            let chosen = random.chance(share);
            let gap = Micros::seconds(random.scale(20..=300));
            if !chosen || without.contains(kind) {
                continue;
            }
            on.insert(*kind);
            if kind.how() == How::AtMoments {
                gaps.insert(*kind, gap);
            }
        }
        let quality = quality(&mut random, &on);
        let speed = Speed {
            sync_min: Micros(random.scale(50..=2000)),
            sync_mean: Micros(random.scale(50..=5000)),
            bytes_per_second: random.scale(50_000..=200_000_000),
        };
        let cloud = cloud(&mut random, &on);
        let drift = random.scale(1..=50_000);
        let drift = if on.contains(&FaultKind::Drift) { drift } else { 0 };
        let mix = Mix::draw(&mut random);
        let limits = limits(&mut random);
        let lifts_limits = random.flip();
        let drains = [None, None, Some(false), Some(true)][random.below(4) as usize];
        let kinds = on;
        Swarm {
            seed,
            founders,
            safety,
            kinds,
            gaps,
            quality,
            speed,
            cloud,
            drift,
            mix,
            limits,
            drains,
            lifts_limits,
        }
    }
}

impl Swarm {
    /// The limits of one controller: what belongs to no replicated decision differs from one to the next.
    pub fn limits_of(&self, id: u64) -> Limits {
        let mut random = Random::stream(self.seed ^ id.rotate_left(40), "knobs");
        if random.flip() {
            return self.limits.clone();
        }
        Limits {
            commands_per_entry: random.scale(1..=4096) as usize,
            bytes_per_entry: random.scale(200..=1 << 20) as usize,
            entries_per_snapshot: random.scale(3..=1000),
            bytes_per_snapshot: random.scale(20_000..=256 << 20),
            tail_bytes: random.scale(1..=1 << 20),
            replicated_tail_bytes: random.scale(1..=1 << 20),
            lagging_bytes: random.scale(1..=1 << 20),
            ..self.limits.clone()
        }
    }
}

fn quality(random: &mut Random, on: &BTreeSet<FaultKind>) -> Quality {
    let mut part = |kind, most| {
        let share = random.between(1_000..=most) as u32;
        if on.contains(&kind) { share } else { 0 }
    };
    let loss = part(FaultKind::Loss, 150_000);
    let duplicate = part(FaultKind::Duplicate, 150_000);
    let reorder = part(FaultKind::Reorder, 500_000);
    let queue = random.scale(2..=64) as usize;
    let queue = on.contains(&FaultKind::SmallQueues).then_some(queue);
    Quality {
        delay_min: Micros(random.scale(20..=5_000)),
        delay_mean: Micros(random.scale(20..=30_000)),
        loss,
        duplicate,
        reorder,
        queue,
    }
}

fn cloud(random: &mut Random, on: &BTreeSet<FaultKind>) -> CloudSettings {
    let boot = Micros::millis(random.scale(200..=60_000));
    let delete = Micros::millis(random.scale(100..=5_000));
    let list_lag = Micros::millis(random.scale(100..=5_000));
    let mut part = |kind, most| {
        let share = random.between(1_000..=most) as u32;
        if on.contains(&kind) { share } else { 0 }
    };
    CloudSettings {
        boot,
        delete,
        list_lag: if on.contains(&FaultKind::StaleList) { list_lag } else { Micros(0) },
        never_boots: part(FaultKind::NeverBoots, 200_000),
        create_times_out: part(FaultKind::CreateTimesOut, 300_000),
        creates_twice: part(FaultKind::CreatesTwice, 200_000),
        delete_ignored: part(FaultKind::DeleteIgnored, 300_000),
    }
}

fn limits(random: &mut Random) -> Limits {
    let defaults = Limits::default();
    let mut often = |odds: u64, drawn: u64, usual: u64| if random.below(odds) > 0 { drawn } else { usual };
    let lost_after = often(2, 10_000, defaults.lost_after.0);
    let boot_timeout = often(3, 120_000, defaults.boot_timeout.0);
    Limits {
        lost_after: Millis(lost_after),
        boot_timeout: Millis(boot_timeout),
        commands_per_entry: random.scale(1..=4096) as usize,
        bytes_per_entry: random.scale(200..=1 << 20) as usize,
        placements_per_pass: random.scale(1..=1024) as usize,
        entries_per_snapshot: random.scale(10..=1000),
        tail_bytes: random.scale(1..=1 << 20),
        replicated_tail_bytes: random.scale(1..=1 << 20),
        lagging_bytes: random.scale(1..=1 << 20),
        retention: Millis(random.scale(60_000..=3_600_000)),
        retained_runs: random.scale(10..=1000),
        ..defaults
    }
}

impl fmt::Display for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Swarm { quality, speed, cloud, mix, limits, .. } = self;
        writeln!(
            f,
            "  controllers {}, safety {:?}, clocks +-{} ppm",
            self.founders, self.safety, self.drift
        )?;
        writeln!(f, "  network {quality:?}")?;
        writeln!(f, "  disk {speed:?}")?;
        writeln!(f, "  cloud {cloud:?}")?;
        writeln!(f, "  clients {mix:?}")?;
        writeln!(
            f,
            "  limits lifted at the end: {}, drained then, by force: {:?}",
            self.lifts_limits, self.drains
        )?;
        writeln!(f, "  {limits:?}")?;
        write!(f, "  faults, with the mean time between two:")?;
        for (kind, gap) in &self.gaps {
            write!(f, " {kind} {}s", gap.0 / 1_000_000)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_swarm_and_seeds_differ() {
        let print = |seed| Swarm::draw(seed, &BTreeSet::new()).to_string();
        assert_eq!(print(4), print(4));
        assert_ne!(print(4), print(5));
    }

    #[test]
    fn what_is_left_out_moves_nothing_else() {
        let all = Swarm::draw(11, &BTreeSet::new());
        let without = Swarm::draw(11, &[FaultKind::Loss, FaultKind::Crash].into());
        assert_eq!(without.quality.loss, 0);
        assert_eq!((all.mix, all.speed), (without.mix, without.speed));
    }

    #[test]
    fn every_size_and_kind_comes_up() {
        let swarms: Vec<Swarm> = (0..200).map(|seed| Swarm::draw(seed, &BTreeSet::new())).collect();
        for founders in [1, 3, 5] {
            assert!(swarms.iter().any(|swarm| swarm.founders == founders));
        }
        for kind in FaultKind::ALL.iter().filter(|kind| kind.how() == How::AtMoments) {
            assert!(swarms.iter().any(|swarm| swarm.gaps.contains_key(kind)), "{kind}");
        }
    }
}
