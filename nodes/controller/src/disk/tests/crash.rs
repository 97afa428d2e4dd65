//! `kill -9` in the middle of writes.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const FOLDER: &str = "TIDEGATE_TEST_CRASH_FOLDER";
const NAME: &str = "disk::tests::crash::killed_in_the_middle_of_writes";

/// What the child does: opens the log and writes on for ever, saying after each write how far it came.
fn write_on(path: &str) -> ! {
    let (_folder, mut log, _) = open(Path::new(path));
    let mut out = std::io::stdout();
    let mut index = log.last_index();
    loop {
        let batch: Vec<_> = (index + 1..=index + 1 + index % 5).map(|index| entry(index, 1)).collect();
        index = batch.last().map_or(index, |entry| entry.index);
        let commit = log.last_index();
        log.append(&[write(batch, committed(1, commit))]).expect("written");
        if index % 97 < 3 {
            log.compact_to(commit.saturating_sub(40)).expect("compacted");
        }
        writeln!(out, "acknowledged {index}").and_then(|()| out.flush()).expect("said");
    }
}

#[test]
fn killed_in_the_middle_of_writes() {
    if let Ok(path) = std::env::var(FOLDER) {
        write_on(&path);
    }
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let dir = tempfile::tempdir().expect("a folder");
    let mut torn = 0;
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", NAME, "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("started");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut acknowledged = 0;
        let mut left = random.random_range(1..80);
        // Killed at some moment after this many acknowledgements; what it still said before it died counts.
        for line in lines {
            if let Some(index) = line.expect("read").strip_prefix("acknowledged ") {
                acknowledged = index.parse().expect("an index");
                left -= 1;
            }
            if left == 0 {
                std::thread::sleep(std::time::Duration::from_micros(random.random_range(0..3000)));
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        let (_folder, log, recovered) = open(dir.path());
        assert!(
            acknowledged > 0 && recovered.last_index >= acknowledged,
            "round {round}: {acknowledged}, {recovered:?}"
        );
        let expected: Vec<_> = (log.first_index()..=log.last_index()).map(|index| entry(index, 1)).collect();
        assert_eq!(all(&log), expected, "round {round}");
        torn += u32::from(recovered.torn_tail.is_some());
    }
    println!("{torn} of 20 left a torn tail");
}
