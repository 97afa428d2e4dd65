//! Feeding what a real controller was told to the same core: it must do the same, and come to the same state.

use std::io::{self, Read};
use thiserror::Error;
use tidegate_scheduler::record::{Diverged, Recorded, Replay, Replayed};

/// The largest line of a record: a state of the largest size, and all that a start needs beside it.
const LARGEST: u32 = 2 << 30;

/// A record cannot be played to its end.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It cannot be read.
    #[error("the record cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is no record of this release.
    #[error("line {line} of the record is not of this release: {reason}")]
    Format {
        /// Which line.
        line: u64,
        /// Why.
        reason: String,
    },
    /// The core went another way.
    #[error("the replay goes another way: {0}")]
    Diverged(#[from] Diverged),
}

/// What a replay came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parity {
    /// How far it has come.
    pub replayed: Replayed,
    /// The last line is cut short, as when a controller is killed while it writes.
    pub cut_short: bool,
}

/// Plays a record to its end.
///
/// # Errors
/// When it cannot be read, is none, or the core goes another way than it did.
pub fn replay_record(mut record: impl Read) -> Result<Parity, RecordError> {
    let mut replay = Replay::default();
    let mut line = 0;
    loop {
        line += 1;
        let mut length = [0; 4];
        match fill(&mut record, &mut length)? {
            0 if line > 1 => return Ok(Parity { replayed: replay.so_far(), cut_short: false }),
            4 => {}
            _ => return Ok(Parity { replayed: replay.so_far(), cut_short: true }),
        }
        let length = u32::from_le_bytes(length);
        if length > LARGEST {
            return Err(RecordError::Format { line, reason: format!("it says that it has {length} bytes") });
        }
        let mut bytes = Vec::new();
        (&mut record).take(u64::from(length)).read_to_end(&mut bytes)?;
        if bytes.len() < length as usize {
            return Ok(Parity { replayed: replay.so_far(), cut_short: true });
        }
        let recorded: Recorded = rmp_serde::from_slice(&bytes)
            .map_err(|error| RecordError::Format { line, reason: error.to_string() })?;
        replay.play(recorded)?;
    }
}

/// Reads until the buffer is full or there is no more; tells how much it has.
fn fill(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < into.len() {
        match from.read(&mut into[have..]) {
            Ok(0) => break,
            Ok(count) => have += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}
