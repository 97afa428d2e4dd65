//! Plays seeds without the command line's binary: `sweep FIRST COUNT [THREADS]`, or `sweep log SEED`.

use std::time::Instant;
use tidegate_sim::{Options, Sweep, Tally, replay, shrink};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |at: usize, otherwise: u64| arguments.get(at).map_or(otherwise, |n| n.parse().expect("a number"));
    match arguments.first().map(String::as_str) {
        Some("log") => {
            let played = replay(number(1, 0), &Options::default());
            played.log.iter().for_each(|line| println!("{line}"));
            println!("{played}");
        }
        Some("shrink") => {
            let told = &mut |played: &tidegate_sim::Played| eprintln!("{}", played.replay_command());
            match shrink(number(1, 0), &Options::default(), 150, told) {
                Some(played) => println!("{played}"),
                None => println!("it does not fail"),
            }
        }
        Some("mutants") => mutants(number(1, 40)),
        _ => sweep(number(0, 0), number(1, 10), number(2, 1)),
    }
}

fn sweep(first: u64, count: u64, threads: u64) {
    let began = Instant::now();
    let sweep = Sweep::new(first, count, Options::default());
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut tally = Tally::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sweep, sender) = (&sweep, sender.clone());
            scope.spawn(move || {
                while let Some(played) = sweep.play_next() {
                    sender.send(played).expect("the tally listens");
                }
            });
        }
        drop(sender);
        for played in receiver {
            if !played.verdict.is_kept() {
                println!("{played}\n");
            }
            tally.add(played);
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{}", tally.coverage);
    println!("missing: {:?}", tally.coverage.missing());
    println!("{tally} in {seconds:.1} s: {:.0} simulated hours an hour", tally.hours() / seconds * 3600.0);
}

/// How many seeds it takes to catch each known bug; in a build with the feature `mutants`.
fn mutants(most: u64) {
    for mutant in tidegate_scheduler::mutants::Mutant::ALL {
        let options = Options { mutant: Some(mutant), ..Options::default() };
        let caught = (1..=most).find_map(|seed| {
            let played = tidegate_sim::play(seed, &options);
            (!played.verdict.is_kept()).then(|| (seed, played.verdict.to_string()))
        });
        match caught {
            Some((seed, how)) => {
                println!("{mutant:?} caught by seed {seed}: {:.200}", how.replace('\n', " "))
            }
            None => println!("{mutant:?} NOT CAUGHT"),
        }
    }
}
