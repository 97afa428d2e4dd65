//! Applied placements in a second, of the scheduler alone: plan, encode, commit in memory, apply, in a steady churn of one
//! completion for each placement, on one core. No disk, no wire, no process.

mod cluster;
mod shapes;

use crate::cpu::resident_bytes;
use crate::report::{Figure, Report, Target};
use anyhow::Result;
use cluster::Cluster;
use shapes::Shapes;
use std::time::Duration;

/// Placements that are measured, and completions that a worker says before the next sync is done.
const MEASURED: u64 = 100_000;
const AT_ONCE: usize = 256;
/// What the largest cluster with the longest queue is to reach, and how it may compare with the shortest.
const TARGET: f64 = 50_000.0;
const FLAT: f64 = 0.8;
const LONGEST_PASS: Duration = Duration::from_millis(5);

/// What one cluster came to.
struct Came {
    rate: f64,
    passes: Vec<Duration>,
    bytes_per_run: f64,
}

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    report.title("placements that the scheduler alone makes, each with a completion");
    for (name, shapes) in
        [("uniform", Shapes::Uniform), ("mixed", Shapes::Mixed), ("blocked", Shapes::Blocked)]
    {
        for nodes in [1_000, 10_000] {
            let mut shortest = None;
            for queued in [1_000, 100_000, 1_000_000] {
                let came = churn(nodes, queued, shapes)?;
                let whole = format!("placements_{name}_{nodes}_{queued}");
                let mut figures = told(&whole, &came, nodes == 10_000 && queued == 1_000_000);
                let first = *shortest.get_or_insert(came.rate);
                if queued == 1_000_000 {
                    let flat = Figure::new(format!("{whole}_flat"), came.rate / first, "x of 1,000");
                    figures.push(flat.target(Target::AtLeast(FLAT)));
                }
                report.add(&whole, figures, None)?;
            }
        }
    }
    Ok(())
}

/// The figures of one cluster; the largest one with the longest queue has targets.
fn told(name: &str, came: &Came, largest: bool) -> Vec<Figure> {
    let rate = Figure::new(name, came.rate, "placements/s").with("completions_before_a_sync", AT_ONCE);
    let p99 = Figure::new(format!("{name}_p99"), came.pass(99), "us a step");
    let bound = LONGEST_PASS.as_secs_f64() * 1e6;
    let (rate, p99) = match largest {
        true => (rate.target(Target::AtLeast(TARGET)), p99.target(Target::Below(bound))),
        false => (rate, p99),
    };
    let p50 = Figure::new(format!("{name}_p50"), came.pass(50), "us a step");
    let memory = Figure::new(format!("{name}_memory"), came.bytes_per_run, "B a queued run");
    vec![rate, p50, p99, memory]
}

impl Came {
    /// A percentile of the passes, in microseconds.
    fn pass(&self, percent: usize) -> f64 {
        let at = (self.passes.len().saturating_sub(1)) * percent / 100;
        self.passes.get(at).map_or(0.0, |pass| pass.as_secs_f64() * 1e6)
    }
}

fn churn(nodes: u64, queued: u64, shapes: Shapes) -> Result<Came> {
    let mut cluster = Cluster::new(nodes, shapes);
    cluster.fill();
    let own = std::process::id() as i32;
    let before = resident_bytes(own)?;
    cluster.queue(queued);
    let bytes_per_run = resident_bytes(own)?.saturating_sub(before) as f64 / queued as f64;
    // What came before is not measured.
    cluster.complete(AT_ONCE * 8, AT_ONCE);
    cluster.begin();
    while cluster.placed() < MEASURED {
        let completed = cluster.complete(AT_ONCE * 16, AT_ONCE);
        cluster.pause();
        cluster.queue(completed);
        cluster.go_on();
    }
    let (spent, mut passes) = cluster.end();
    passes.sort_unstable();
    Ok(Came { rate: cluster.placed() as f64 / spent.as_secs_f64(), passes, bytes_per_run })
}
