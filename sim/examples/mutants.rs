//! Switches each known bug on in turn and counts the seeds until the simulator finds it: a bug that no seed finds is a
//! promise that nothing checks. Needs the feature `mutants`.
//!
//! ```text
//! cargo run --release -p tidegate-sim --features mutants --example mutants -- [SEEDS] [FIRST] [NAME...]
//! ```

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tidegate_scheduler::mutants::Mutant;
use tidegate_sim::{Options, Played, Sweep, Verdict};

/// How often a bug is looked for, from different seeds on: the mean is over these.
const TRIALS: u64 = 3;

/// What became of one bug.
struct Hunt {
    /// The seeds played until it was found, for each trial that found it.
    seeds: Vec<u64>,
    /// How its finds showed, and how often.
    shown: BTreeMap<String, u32>,
    took: Duration,
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let number = |word: Option<String>, usual| word.map_or(Ok(usual), |word| word.parse::<u64>());
    let (seeds, first) = match (number(words.next(), 300), number(words.next(), 1)) {
        (Ok(seeds), Ok(first)) => (seeds, first),
        _ => {
            eprintln!("usage: mutants [SEEDS] [FIRST] [NAME...]");
            return ExitCode::from(2);
        }
    };
    let names: Vec<String> = words.collect();
    let wanted = |mutant: &Mutant| names.is_empty() || names.iter().any(|name| *name == mutant.to_string());
    let mutants: Vec<Mutant> = Mutant::ALL.into_iter().filter(wanted).collect();
    println!("{:24} {:>6} {:>12} {:>8}  shown as", "mutant", "found", "mean seeds", "seconds");
    let mut missed = Vec::new();
    for mutant in &mutants {
        let hunt = hunt(*mutant, seeds, first);
        let found = hunt.seeds.len() as u64;
        let mean = match found {
            0 => "-".to_owned(),
            _ => format!("{:.1}", hunt.seeds.iter().sum::<u64>() as f64 / found as f64),
        };
        let shown = hunt.shown.iter().map(|(how, times)| format!("{how} x{times}")).collect::<Vec<_>>();
        println!(
            "{:24} {:>6} {mean:>12} {:>8.1}  {}",
            mutant.to_string(),
            format!("{found}/{TRIALS}"),
            hunt.took.as_secs_f64(),
            shown.join(", ")
        );
        if found == 0 {
            missed.push(mutant.to_string());
        }
    }
    println!("{} of {} found", mutants.len() - missed.len(), mutants.len());
    match missed.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!("not found within {seeds} seeds: {}", missed.join(", "));
            ExitCode::FAILURE
        }
    }
}

fn hunt(mutant: Mutant, seeds: u64, first: u64) -> Hunt {
    let began = Instant::now();
    let trial = |n: u64| std::thread::spawn(move || look_for(mutant, first + n * seeds, seeds));
    let trials: Vec<_> = (0..TRIALS).map(trial).collect();
    let mut hunt = Hunt { seeds: Vec::new(), shown: BTreeMap::new(), took: Duration::ZERO };
    for trial in trials {
        if let Some((played, how)) = trial.join().expect("a trial ends") {
            hunt.seeds.push(played);
            *hunt.shown.entry(how).or_default() += 1;
        }
    }
    hunt.took = began.elapsed();
    hunt
}

/// How many seeds it took, and how the bug showed.
fn look_for(mutant: Mutant, first: u64, seeds: u64) -> Option<(u64, String)> {
    let sweep = Sweep::new(first, seeds, Options { mutant: Some(mutant), ..Options::default() });
    let mut count = 0;
    while let Some(played) = sweep.play_next() {
        count += 1;
        if let Some(how) = shown_as(&played) {
            return Some((count, how));
        }
    }
    None
}

fn shown_as(played: &Played) -> Option<String> {
    match &played.verdict {
        Verdict::Kept => None,
        Verdict::Crashed { .. } => Some("crash".to_owned()),
        Verdict::Stuck { what } => Some(format!("stuck: {}", title(what))),
        Verdict::Wrong { broken } => Some(format!("wrong: {}", title(broken))),
    }
}

/// The number of the first promise that was broken.
fn title(broken: &[String]) -> String {
    let first = broken.first().map_or("", String::as_str);
    first.split([':', ' ']).next().unwrap_or_default().to_owned()
}
