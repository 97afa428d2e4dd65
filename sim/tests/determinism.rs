//! The same seed gives the same play, to the last event: twice in one process, and in another one.

use std::process::Command;
use tidegate_sim::{Options, play, replay};

const SEEDS: [u64; 3] = [3, 47, 449];
/// Tells the child process which seed to play.
const CHILD: &str = "TIDEGATE_SIM_CHILD_SEED";

fn hash(seed: u64) -> String {
    format!("trace {:016x}", play(seed, &Options::default()).trace_hash)
}

#[test]
fn a_seed_twice_is_one_play() {
    for seed in SEEDS {
        let (first, second) = (play(seed, &Options::default()), replay(seed, &Options::default()));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.coverage, second.coverage);
        assert_eq!((first.events, first.virtual_time), (second.events, second.virtual_time));
        assert!(first.log.is_empty() && second.log.len() > 1000, "only a replay keeps its log");
        let mut last = String::new();
        for line in &second.log {
            let at = line.get(..11).unwrap_or_default();
            assert!(last.as_str() <= at, "`{line}` comes before {last}");
            last = at.to_owned();
        }
    }
}

#[test]
fn seeds_differ() {
    assert_ne!(hash(1), hash(2));
}

#[test]
fn another_process_plays_the_same() {
    if let Ok(seed) = std::env::var(CHILD) {
        println!("{}", hash(seed.parse().expect("a seed")));
        return;
    }
    for seed in SEEDS {
        let child = Command::new(std::env::current_exe().expect("this test's own program"))
            .args(["--exact", "another_process_plays_the_same", "--nocapture"])
            .env(CHILD, seed.to_string())
            .output()
            .expect("it starts again");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains(&hash(seed)), "seed {seed}: here {}, there {said}", hash(seed));
    }
}
