//! The simulator from the command line.

use crate::harness::Home;

#[test]
fn a_seed_plays_the_same_in_every_process_and_tells_what_happens() {
    let home = Home::new();
    let played = home.run("sim replay --seed 7 -o json");
    assert_eq!(played.code, 0, "{}", played.err);
    let told = played.json();
    let log = told["log"].as_array().unwrap();
    assert!(log.len() > 1000, "{} lines", log.len());
    let again = home.run("sim replay --seed 7 --quiet").ok();
    let hash = told["trace_hash"].as_str().unwrap();
    assert_eq!(again.lines().count(), 1, "{again}");
    assert!(again.contains(hash), "{hash} is not in {again}");
    let other = home.run("sim replay --seed 7 --quiet --skip-requests 1-50").ok();
    assert!(!other.contains(hash), "another play has another trace");
    let shrunk = home.run("sim shrink --seed 7");
    assert!(shrunk.code == 0 && shrunk.err.contains("does not fail"), "{shrunk:?}");
}

#[test]
fn a_sweep_adds_up_what_its_threads_play() {
    let home = Home::new();
    let swept = home.run("sim fuzz --seeds 3 --first 11 --threads 2 -o json");
    assert_eq!(swept.code, 0, "{}", swept.err);
    let told = swept.json();
    assert_eq!((told["seeds"].as_u64(), told["failed"].as_array().map(Vec::len)), (Some(3), Some(0)));
    assert!(told["simulated_hours"].as_f64().unwrap() >= 0.5, "ten minutes and more each: {told}");
    assert!(told["commands"].as_u64().unwrap() >= 600, "200 commands and more each: {told}");
    assert!(told["seen"]["a controller began to lead"].as_u64().unwrap() >= 3);
    // A build without known bugs does not pretend to switch one on.
    let mutant = home.run("sim fuzz --seeds 1 --mutant DropFence");
    match cfg!(feature = "mutants") {
        true => assert_ne!(mutant.code, 2, "{mutant:?}"),
        false => assert!(mutant.code == 2 && mutant.err.contains("--features mutants"), "{mutant:?}"),
    }
}

#[test]
fn what_is_no_record_is_told() {
    let home = Home::new();
    home.write("r", "\u{5}\0\0\0hello");
    let broken = home.run("sim replay --record r");
    assert!(broken.code == 2 && broken.err.contains("line 1"), "{broken:?}");
    let none = home.run("sim replay --record nothing");
    assert!(none.code == 2 && none.err.contains("cannot read nothing"), "{none:?}");
}
