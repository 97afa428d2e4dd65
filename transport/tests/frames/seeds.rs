//! The seeds of the fuzz targets are valid: a target that starts from nothing useful finds nothing.

use std::{fs, path::Path};

use tidegate_transport::{
    frame::{Decoder, decode},
    hello::Hello,
};

use crate::message::Message;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let seeds: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", dir.display());
    seeds
}

#[test]
fn every_seed_is_understood() {
    for seed in seeds("frame_decoder") {
        let mut decoder = Decoder::new(1 << 20);
        decoder.push(&seed[1..]);
        assert!(decoder.next::<Message>().unwrap().is_some());
        while decoder.next::<Message>().unwrap().is_some() {}
        assert_eq!(decoder.pending(), 0);
    }
    for seed in seeds("hello") {
        decode::<Hello>(&seed).unwrap();
    }
}
