use std::io::Cursor;

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};
use tidegate_transport::{
    error::{FrameError, FrameIoError},
    frame::{Decoder, decode, encode, read_frame, shape::MAX_DEPTH, write_frame},
};

use crate::message::{Message, Phase};

const MAX: usize = 1 << 16;

fn samples() -> Vec<Message> {
    vec![
        Message::Nothing,
        Message::Number(u64::MAX),
        Message::Triple(-5, u128::MAX, true),
        Message::Start {
            run: "run-1".into(),
            command: vec!["python".into(), "train.py".into()],
            variables: [("A".into(), "1".into()), ("B".into(), "é".into())].into(),
            limit: Some(60),
            phase: Phase::Running,
        },
        Message::Bytes(vec![7; 300]),
        Message::Table(vec![[1; 16]; 3]),
        Message::Again(Box::new(Message::Many(vec![Message::Nothing, Message::Number(1)]))),
    ]
}

/// Damages a valid stream of frames: flips, overwrites, removes, doubles or inserts bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..=4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => {
                bytes.remove(at);
            }
            4 => bytes.insert(at, random.random()),
            // The markers that claim much.
            _ => bytes[at] = [0xdd, 0xdf, 0xdb, 0xc6, 0x9f, 0x8f, 0xff, 0x91][random.random_range(0..8)],
        }
    }
}

#[test]
fn twenty_thousand_damaged_streams_do_no_harm() {
    let seed =
        std::env::var("TIDEGATE_SEED").map_or_else(|_| rand::rng().next_u64(), |seed| seed.parse().unwrap());
    println!("seed {seed} (set TIDEGATE_SEED to repeat)");
    let mut random = StdRng::seed_from_u64(seed);
    let frames: Vec<_> = samples().iter().map(|message| encode(message, MAX).unwrap()).collect();
    let (mut given, mut refused) = (0u32, 0u32);
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..random.random_range(1..4) {
            bytes.extend_from_slice(&frames[random.random_range(0..frames.len())]);
        }
        mutate(&mut bytes, &mut random);
        let mut decoder = Decoder::new(MAX);
        decoder.push(&bytes);
        loop {
            match decoder.next::<Message>() {
                // What was understood can be said again.
                Ok(Some(message)) => {
                    given += 1;
                    let again: Message = decode(&encode(&message, MAX).unwrap()[4..]).unwrap();
                    assert_eq!(again, message);
                }
                Ok(None) => break,
                Err(_) => {
                    refused += 1;
                    assert!(matches!(decoder.next::<Message>(), Err(FrameError::Broken)));
                    break;
                }
            }
        }
    }
    assert!(
        given > 1000 && refused > 1000,
        "the mutations reach both ends: {given} given, {refused} refused"
    );
}

#[test]
fn a_length_beyond_the_limit_is_refused_as_soon_as_it_is_seen() {
    let mut decoder = Decoder::new(100);
    decoder.push(&[0, 0, 0]);
    assert!(decoder.next::<Message>().unwrap().is_none());
    decoder.push(&[101]);
    let error = decoder.next::<Message>().unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { claimed: 101, max: 100 }), "{error}");
    decoder.push(&encode(&Message::Nothing, 100).unwrap());
    assert!(matches!(decoder.next::<Message>(), Err(FrameError::Broken)));
    assert_eq!(decoder.pending(), 0, "nothing more is kept for a broken peer");
}

#[test]
fn nesting_that_rmp_serde_does_not_bound_is_refused_both_ways() {
    let nested = |depth| (0..depth).fold(Message::Nothing, |inner, _| Message::Again(Box::new(inner)));
    let deepest = encode(&nested(MAX_DEPTH), MAX).unwrap();
    assert_eq!(decode::<Message>(&deepest[4..]).unwrap(), nested(MAX_DEPTH));
    assert!(matches!(encode(&nested(MAX_DEPTH + 1), MAX), Err(FrameError::Shape(_))));
    // `Again` a hundred thousand times: what would otherwise exhaust the stack.
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        bytes.extend_from_slice(b"\x81\xa5Again");
    }
    bytes.extend_from_slice(b"\xa7Nothing");
    assert!(matches!(decode::<Message>(&bytes), Err(FrameError::Shape(_))));
}

#[test]
fn trailing_bytes_and_other_types_are_refused() {
    assert!(matches!(decode::<u8>(&[1, 2]), Err(FrameError::Shape(_))));
    assert!(matches!(decode::<u8>(&[0xa1, b'x']), Err(FrameError::Decode(_))));
    assert!(matches!(decode::<(u8, u8)>(&[0x93, 1, 2, 3]), Err(FrameError::Decode(_))));
}

#[test]
fn a_refused_message_leaves_the_buffer_as_it_was() {
    #[derive(Serialize, Deserialize)]
    struct Big(#[serde(with = "serde_bytes")] Vec<u8>);
    let mut buffer = b"before".to_vec();
    let error = tidegate_transport::frame::encode_into(&mut buffer, &Big(vec![0; 200]), 100).unwrap_err();
    assert!(matches!(error, FrameError::TooLargeToSend { max: 100 }));
    assert_eq!(buffer, b"before");
}

#[test]
fn blocking_streams_end_between_frames_or_not_at_all() {
    let mut stream = Vec::new();
    for message in samples() {
        write_frame(&mut stream, &message, MAX).unwrap();
    }
    let mut input = Cursor::new(&stream);
    for message in samples() {
        assert_eq!(read_frame::<Message>(&mut input, MAX).unwrap(), Some(message));
    }
    assert!(read_frame::<Message>(&mut input, MAX).unwrap().is_none());

    for cut in [1, 3, 5, 8] {
        let start = encode(&Message::Bytes(vec![1; 50]), MAX).unwrap();
        let error = read_frame::<Message>(&start[..cut], MAX).unwrap_err();
        assert!(matches!(error, FrameIoError::Io(_)), "{error}");
    }
    let error = read_frame::<Message>(&[0xff, 0xff, 0xff, 0xff][..], MAX).unwrap_err();
    assert!(matches!(error, FrameIoError::Frame(FrameError::TooLarge { .. })), "{error}");
}
