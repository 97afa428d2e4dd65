//! Any bytes, in pieces of any size, as frames of a message that has every shape. The first byte says how large the
//! pieces are. What was understood must encode again, to what decodes as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_transport::frame::{Decoder, decode, encode};

#[path = "../../transport/tests/frames/message.rs"]
mod message;

use message::Message;

const MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let whole = frames(bytes, usize::MAX);
    let pieces = frames(bytes, usize::from(piece) + 1);
    // As bytes, for a float that is not a number differs from itself.
    assert_eq!(whole, pieces, "how the bytes are cut must not matter");
});

/// What the frames of `bytes` hold, each encoded again, and whether they end in an error.
fn frames(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
    let mut decoder = Decoder::new(MAX);
    let mut frames = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next::<Message>() {
                Ok(Some(message)) => {
                    let frame = encode(&message, MAX * 2).expect("what was understood can be said");
                    let again: Message = decode(&frame[4..]).expect("what we say is understood");
                    assert_eq!(message, again);
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}
