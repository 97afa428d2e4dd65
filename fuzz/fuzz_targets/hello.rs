//! Any bytes as the first message of a peer, compared with our own.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_transport::{frame::decode, hello::Hello};

fuzz_target!(|bytes: &[u8]| {
    let Ok(theirs) = decode::<Hello>(bytes) else { return };
    let ours = Hello {
        protocol_min: 2,
        protocol_max: 4,
        build: "fuzz".into(),
        cluster: "c".into(),
        payload: Vec::new(),
    };
    match (ours.agree(&theirs), theirs.agree(&ours)) {
        (Ok(here), Ok(there)) => assert!(here == there && (2..=4).contains(&here)),
        (Err(here), Err(_)) => {
            assert!(here.to_string().len() < 1000, "an error must not repeat what a peer sends at length")
        }
        (here, there) => panic!("the sides disagree: {here:?}, {there:?}"),
    }
});
