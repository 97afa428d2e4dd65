//! A process killed in the middle of storing has lost nothing that it acknowledged.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tidegate_store::{BlobStore, Digest, StoreOptions};

const FOLDER: &str = "TIDEGATE_TEST_CRASH_FOLDER";
const SEED: &str = "TIDEGATE_TEST_CRASH_SEED";

/// Stores without end, and prints each digest after it was acknowledged.
#[test]
#[ignore = "the process that the crash test starts and kills"]
fn child_that_stores_until_killed() {
    let seed: u64 = env::var(SEED).expect("started by the crash test").parse().unwrap();
    let store = BlobStore::open(env::var(FOLDER).unwrap(), StoreOptions::default()).unwrap();
    thread::scope(|scope| {
        for thread in 0..6 {
            let store = &store;
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(seed + thread);
                loop {
                    let large = random.random_ratio(1, 8);
                    let size = if large {
                        random.random_range(70_000..900_000)
                    } else {
                        random.random_range(0..9000)
                    };
                    let mut bytes = vec![0; size];
                    random.fill_bytes(&mut bytes);
                    let digest = store.put(bytes).unwrap();
                    // One write a line: lines of threads do not mix, and none is half there.
                    std::io::stderr().write_all(format!("{digest} {size}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn every_acknowledged_blob_survives_a_kill() {
    let folder = tempfile::TempDir::new().unwrap();
    let seed: u64 = rand::random_range(0..1 << 40);
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut acknowledged: Vec<(Digest, u64)> = Vec::new();
    for round in 0..6 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child_that_stores_until_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(SEED, (seed + round * 100).to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let kill_after = random.random_range(1..300);
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for (count, line) in lines.enumerate() {
            let line = line.unwrap();
            let (digest, size) = line.split_once(' ').unwrap_or_else(|| panic!("the child said: {line}"));
            acknowledged.push((digest.parse().unwrap(), size.parse().unwrap()));
            // What the child wrote into the pipe before it died is read to the end.
            if count + 1 == kill_after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let store = BlobStore::open(folder.path(), StoreOptions::default()).unwrap();
        for (digest, size) in &acknowledged {
            let bytes = store.get(digest).unwrap().unwrap_or_else(|| panic!("{digest} was lost"));
            assert_eq!(bytes.len() as u64, *size);
        }
        assert_eq!(fs::read_dir(folder.path().join("incoming")).unwrap().count(), 0);
    }
    assert!(acknowledged.len() > 6);
}
