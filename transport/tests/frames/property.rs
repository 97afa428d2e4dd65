use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_transport::frame::{Decoder, encode, encode_into};

use crate::message::{Message, Phase};

const MAX: usize = 1 << 20;

fn message() -> impl Strategy<Value = Message> {
    let text = || "\\PC{0,12}";
    let phase = prop_oneof![Just(Phase::Preparing), Just(Phase::Running)];
    let start = (
        text(),
        prop::collection::vec(text(), 0..4),
        prop::collection::btree_map(text(), text(), 0..4),
        any::<Option<u32>>(),
        phase,
    )
        .prop_map(|(run, command, variables, limit, phase): (_, _, BTreeMap<_, _>, _, _)| {
            Message::Start { run, command, variables, limit, phase }
        });
    let leaf = prop_oneof![
        Just(Message::Nothing),
        any::<u64>().prop_map(Message::Number),
        any::<(i64, u128, bool)>().prop_map(|(a, b, c)| Message::Triple(a, b, c)),
        start,
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Message::Bytes),
        prop::collection::vec(any::<[u64; 16]>(), 0..3).prop_map(Message::Table),
    ];
    leaf.prop_recursive(8, 64, 6, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Message::Again(Box::new(inner))),
            prop::collection::vec(inner, 0..6).prop_map(Message::Many),
        ]
    })
}

/// Feeds `bytes` in pieces of the given sizes, over and over, and collects what comes out.
fn decode_in_pieces(bytes: &[u8], sizes: &[usize]) -> Result<Vec<Message>, String> {
    let mut decoder = Decoder::new(MAX);
    let mut values = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, later) = rest.split_at((*size).min(rest.len()));
        decoder.push(piece);
        rest = later;
        while let Some(value) = decoder.next().map_err(|error| error.to_string())? {
            values.push(value);
        }
    }
    Ok(values)
}

proptest! {
    #[test]
    fn what_is_sent_is_received_however_it_is_cut(
        messages in prop::collection::vec(message(), 0..8),
        sizes in prop::collection::vec(1usize..200, 1..20),
    ) {
        let mut bytes = Vec::new();
        for message in &messages {
            encode_into(&mut bytes, message, MAX).unwrap();
        }
        prop_assert_eq!(decode_in_pieces(&bytes, &sizes), Ok(messages));
    }

    #[test]
    fn any_bytes_give_the_same_end_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        sizes in prop::collection::vec(1usize..50, 1..20),
    ) {
        // A short length makes it likely that bodies are looked at.
        let mut framed = vec![0, 0, 0];
        framed.extend_from_slice(&bytes);
        for bytes in [&bytes, &framed] {
            let whole = decode_in_pieces(bytes, &[usize::MAX]);
            prop_assert_eq!(decode_in_pieces(bytes, &sizes), whole);
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_neither_sent_nor_received(message in message(), limit in 0usize..200) {
        let frame = encode(&message, MAX).unwrap();
        let body = frame.len() - 4;
        prop_assert_eq!(encode(&message, limit).is_ok(), body <= limit);
        let mut decoder = Decoder::new(limit);
        decoder.push(&frame);
        prop_assert_eq!(decoder.next::<Message>().is_ok(), body <= limit);
    }
}
