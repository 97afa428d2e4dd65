//! Fills the cluster: pods arrive one after another in a random order and stay; what fits nowhere is passed over.

use super::published::{BestFit, Fgd};
use super::{Cluster, Pods, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::plan::pack::{Devices, FragmentationAware, GpuNeed, Mix, Room, Rooms, Rule, Shape};
use tidegate_sim::random::Random;

/// So much arrives at least, in percent of the cluster's GPUs.
const LOAD: u32 = 130;

/// What came of one filling.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fill {
    /// Allocated GPU when so much had arrived, both in percent of the cluster's.
    pub(crate) allocated: BTreeMap<u32, f64>,
    /// Pods that arrived.
    pub(crate) pods: u64,
    /// Pods that found a place.
    pub(crate) placed: u64,
    /// How long it took to place them.
    pub(crate) took: Duration,
}

impl Fill {
    /// Fills the cluster by a policy, the arrivals drawn from the seed; looks when so much has arrived, in percent.
    pub(crate) fn play(
        cluster: &Cluster,
        pods: &Pods,
        policy: Policy,
        seed: u64,
        looks: &BTreeSet<u32>,
    ) -> Fill {
        let load = looks.last().copied().unwrap_or(LOAD).max(LOAD);
        // The same pods for every policy.
        let arrivals = arrivals(cluster, pods, load, &mut Random::stream(seed, "arrivals"));
        let fragments = || FragmentationAware::new(typical(pods));
        match policy {
            Policy::Random => {
                let mut random = Random::stream(seed, "choice");
                let mut nodes = cluster.nodes.clone();
                fill(cluster, &arrivals, looks, |shape| place_anywhere(&mut nodes, shape, &mut random))
            }
            Policy::BestFit => fill_by(BestFit, cluster, &arrivals, looks),
            Policy::Fgd => fill_by(Fgd(fragments()), cluster, &arrivals, looks),
            Policy::Own => fill_by(fragments(), cluster, &arrivals, looks),
        }
    }
}

/// All pods in a random order, then random ones of them until enough have come; if they are more than enough without,
/// some are left out.
fn arrivals(cluster: &Cluster, pods: &Pods, load: u32, random: &mut Random) -> Vec<Shape> {
    let enough = cluster.gpu_milli * u64::from(load) / 100;
    let mut order = pods.shapes.clone();
    random.shuffle(&mut order);
    let mut asked: u64 = order.iter().map(|shape| u64::from(shape.gpu.milli())).sum();
    while asked > enough {
        let Some(shape) = order.pop() else { break };
        asked -= u64::from(shape.gpu.milli());
        if asked <= enough {
            return order;
        }
    }
    // A list has at least one pod with a GPU, so this ends.
    while asked < enough {
        let Some(shape) = random.pick(&pods.shapes) else { break };
        asked += u64::from(shape.gpu.milli());
        order.push(*shape);
    }
    order
}

fn typical(pods: &Pods) -> Mix {
    let mut counts: BTreeMap<Shape, u64> = BTreeMap::new();
    for shape in &pods.shapes {
        *counts.entry(*shape).or_default() += 1;
    }
    Mix::typical(counts)
}

fn fill_by(rule: impl Rule, cluster: &Cluster, arrivals: &[Shape], looks: &BTreeSet<u32>) -> Fill {
    let mut rooms = Rooms::new(rule);
    for (n, room) in cluster.nodes.iter().enumerate() {
        rooms.put(NodeId(n as u64), *room);
    }
    let none = BTreeSet::new();
    fill(cluster, arrivals, looks, |shape| {
        let choice = rooms.best(shape, &none);
        choice.is_some_and(|choice| rooms.take(choice.node, shape, choice.devices).is_some())
    })
}

fn fill(
    cluster: &Cluster,
    arrivals: &[Shape],
    looks: &BTreeSet<u32>,
    mut place: impl FnMut(&Shape) -> bool,
) -> Fill {
    let began = Instant::now();
    let mut fill = Fill::default();
    let (mut arrived, mut allocated) = (0u64, 0u64);
    let percent = |milli: u64| milli as f64 * 100.0 / cluster.gpu_milli as f64;
    let mut looks = looks.iter().copied().peekable();
    for shape in arrivals {
        let before = (arrived, allocated);
        let milli = u64::from(shape.gpu.milli());
        arrived += milli;
        fill.pods += 1;
        if place(shape) {
            allocated += milli;
            fill.placed += 1;
        }
        // Arrivals come in steps: the nearer one counts.
        while let Some(look) = looks.next_if(|look| percent(arrived) >= f64::from(*look)) {
            let nearer = f64::from(look) - percent(before.0) < percent(arrived) - f64::from(look);
            fill.allocated.insert(look, percent(if nearer { before.1 } else { allocated }));
        }
    }
    fill.allocated.extend(looks.map(|look| (look, percent(allocated))));
    fill.took = began.elapsed();
    fill
}

fn place_anywhere(nodes: &mut [Room], shape: &Shape, random: &mut Random) -> bool {
    let fitting: Vec<usize> = (0..nodes.len()).filter(|n| nodes[*n].fits(shape)).collect();
    let Some(room) = random.pick(&fitting).map(|n| &mut nodes[*n]) else { return false };
    let devices = match shape.gpu {
        GpuNeed::Share(milli) => {
            let free = room.gpus.free();
            let enough: Vec<usize> = (0..free.len()).filter(|n| free[*n] >= milli).collect();
            random.pick(&enough).and_then(|n| Devices::one(*n))
        }
        GpuNeed::None | GpuNeed::Whole(_) => room.unshared(shape.gpu),
    };
    let left = devices.and_then(|devices| room.minus(shape, devices));
    left.map(|left| *room = left).is_some()
}
