//! Packs the pods of a published list on a published cluster, and lays the GPU that found use beside the published
//! table.
//!
//! ```text
//! cargo run --release -p tidegate-sim --example fgd -- NODES PODS EXPECTED [--seeds N] [--policies P,...]
//! ```
//!
//! Ends with 0 if all is within the tolerances, 1 if not, 2 if it could not be told.

mod study;

use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use study::{Cluster, Expected, Fill, JUDGED_AT, Outcome, Pods, Policy, order_is_kept};

const USAGE: &str = "usage: fgd NODES PODS EXPECTED [--seeds N] [--policies P,...] [--workload NAME]

  NODES     list of nodes: sn, cpu_milli, memory_mib, gpu, model
  PODS      list of pods: cpu_milli, memory_mib, num_gpu, gpu_milli, and gpu_spec where there is one
  EXPECTED  published table: workload, policy, arrived_pct, gpu_alloc_pct_mean
            Each is a .csv or a .csv.gz; columns are found by their names.

  --seeds N        orders of arrival to play (10)
  --policies P,... of Random, BestFit, FGD and own, the scheduler's rule (all)
  --workload NAME  the workload in EXPECTED (the one that the name of PODS bears)";

/// What was asked for.
struct Options {
    nodes: PathBuf,
    pods: PathBuf,
    expected: PathBuf,
    seeds: u64,
    /// Of nothing: all that were published, and the scheduler's own.
    policies: Option<BTreeSet<Policy>>,
    workload: Option<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let played =
        options(words).map_err(|what| format!("{what}\n\n{USAGE}")).and_then(|options| play(&options));
    match played {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(what) => {
            eprintln!("fgd: {what}");
            ExitCode::from(2)
        }
    }
}

fn options(words: Vec<String>) -> Result<Options, String> {
    let (mut files, mut seeds, mut policies, mut workload) = (Vec::new(), 10, None, None);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--seeds" => {
                let text = value()?;
                let count = text.parse().ok().filter(|count| (1..=1000).contains(count));
                seeds = count.ok_or(format!("--seeds {text}: it is a number from 1 to 1000"))?;
            }
            "--policies" => policies = Some(value()?.split(',').map(policy).collect::<Result<_, _>>()?),
            "--workload" => workload = Some(value()?),
            _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
            _ => files.push(PathBuf::from(word)),
        }
    }
    let [nodes, pods, expected] = <[PathBuf; 3]>::try_from(files)
        .map_err(|files| format!("3 files are needed, not {}", files.len()))?;
    Ok(Options { nodes, pods, expected, seeds, policies, workload })
}

fn policy(name: &str) -> Result<Policy, String> {
    let known = Policy::ALL.into_iter().find(|policy| policy.to_string().eq_ignore_ascii_case(name.trim()));
    known.ok_or(format!("--policies {name}: it is one of Random, BestFit, FGD, own"))
}

/// The policies to play. One that is asked for must have been published; at least one that was is played.
fn policies(options: &Options, expected: &Expected) -> Result<BTreeSet<Policy>, String> {
    let published = |policy: &Policy| expected.at(*policy, JUDGED_AT).is_some();
    let own = |policy: &Policy| policy.tolerance().is_none();
    let known = || Policy::ALL.into_iter().filter(|policy| own(policy) || published(policy)).collect();
    let policies = options.policies.clone().unwrap_or_else(known);
    let (file, workload) = (options.expected.display(), &expected.workload);
    if let Some(policy) = policies.iter().find(|policy| !own(policy) && !published(policy)) {
        return Err(format!("{file}: no row for {workload}, {policy} at arrived_pct {JUDGED_AT}"));
    }
    if options.policies.is_none() && policies.iter().all(own) {
        return Err(format!(
            "{file}: no row for {workload} at arrived_pct {JUDGED_AT}: nothing to compare with"
        ));
    }
    Ok(policies)
}

/// Plays and prints; tells whether all is as published.
fn play(options: &Options) -> Result<bool, String> {
    let cluster = Cluster::open(&options.nodes)?;
    let pods = Pods::open(&options.pods, &cluster)?;
    let expected = Expected::open(&options.expected, &options.pods, options.workload.as_deref())?;
    let policies = policies(options, &expected)?;
    let looks = expected.arrived().into_iter().chain([JUDGED_AT]).collect();
    let mut outcomes = Vec::new();
    for policy in policies {
        let mut outcome = Outcome { policy, fills: Vec::new() };
        for seed in 1..=options.seeds {
            tell(&format!("{}: {policy}: seed {seed} of {}", expected.workload, options.seeds));
            outcome.fills.push(Fill::play(&cluster, &pods, policy, seed, &looks));
        }
        outcomes.push(outcome);
    }
    told();
    let gpus = cluster.gpu_milli / 1000;
    println!(
        "{}: {} pods on {} nodes with {gpus} GPUs",
        expected.workload,
        pods.shapes.len(),
        cluster.nodes.len()
    );
    println!("GPU in use, % of the cluster's, {} orders of arrival\n", options.seeds);
    print_verdicts(&outcomes, &expected);
    print_curve(&outcomes, &expected);
    let kept = order_is_kept(&outcomes);
    if !kept {
        println!("\nThe order is not the published one: FGD over BestFit over Random.");
    }
    let within = outcomes.iter().all(|outcome| outcome.is_as_published(&expected) != Some(false));
    Ok(kept && within)
}

/// One line that is written over where a person looks on.
fn tell(what: &str) {
    match stderr().is_terminal() {
        true => eprint!("\r\x1b[K{what}"),
        false => eprintln!("{what}"),
    }
}

fn told() {
    if stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn print_verdicts(outcomes: &[Outcome], expected: &Expected) {
    println!("as much arrived as the cluster has:");
    println!(
        "{:8} {:>8} {:>10} {:>11}  {:22} {:>12}",
        "policy", "ours", "published", "difference", "verdict", "placements/s"
    );
    for outcome in outcomes {
        let (policy, ours) = (outcome.policy, outcome.mean(JUDGED_AT));
        let (published, difference) = match expected.at(policy, JUDGED_AT) {
            Some(published) => (format!("{published:.2}"), format!("{:+.2}", ours - published)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let verdict = match (outcome.is_as_published(expected), policy.tolerance()) {
            (Some(true), Some(points)) => format!("within {points:.1} points"),
            (Some(false), Some(points)) => format!("BEYOND {points:.1} points"),
            _ => "the scheduler's own".to_owned(),
        };
        println!(
            "{policy:8} {ours:>8.2} {published:>10} {difference:>11}  {verdict:22} {:>12.0}",
            outcome.rate()
        );
    }
}

fn print_curve(outcomes: &[Outcome], expected: &Expected) {
    println!(
        "\nby how much had arrived, % of the cluster's GPUs (below it, the difference to what was published):"
    );
    let arrived = expected.arrived();
    let row = |name: String, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>7}")).collect();
        println!("{name:8}{cells}");
    };
    row("policy".to_owned(), arrived.iter().map(u32::to_string).collect());
    for outcome in outcomes {
        let policy = outcome.policy;
        row(policy.to_string(), arrived.iter().map(|at| format!("{:.2}", outcome.mean(*at))).collect());
        let difference = |at: &u32| {
            let published = expected.at(policy, *at);
            published.map_or(String::new(), |published| format!("{:+.2}", outcome.mean(*at) - published))
        };
        let differences: Vec<String> = arrived.iter().map(difference).collect();
        if differences.iter().any(|difference| !difference.is_empty()) {
            row(String::new(), differences);
        }
    }
}
