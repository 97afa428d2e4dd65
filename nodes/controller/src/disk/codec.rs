//! How an entry, a hard state and the log's beginning are written inside a record.
//!
//! `raft-engine` stores protobuf messages, so an entry travels as the bytes of one `BytesValue`: its content
//! first and a trailer of fixed length after it, so that reading it back moves no byte.

use protobuf::well_known_types::BytesValue;
use raft_engine::MessageExt;
use tidegate_scheduler::consensus::{EntryKind, HardState, LogEntry};

/// Under which key the newest hard state is kept.
pub(super) const HARD_STATE: &[u8] = b"hard-state";
/// Under which key the log's beginning is kept, once it has been compacted.
pub(super) const BEGINNING: &[u8] = b"beginning";

const TRAILER: usize = 17;
const COMMANDS: u8 = 1;
const MEMBERSHIP: u8 = 2;

/// Where a compacted log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Beginning {
    /// The first index that the log may hold.
    pub(super) first: u64,
    /// The term of the index before it; 0 when there is none.
    pub(super) term_before: u64,
}

impl Default for Beginning {
    fn default() -> Self {
        Self { first: 1, term_before: 0 }
    }
}

/// Tells `raft-engine` how to find the index of a stored entry.
pub(super) struct StoredEntry;

impl MessageExt for StoredEntry {
    type Entry = BytesValue;

    fn index(stored: &BytesValue) -> u64 {
        // Trailer: index, term, kind. 0 is no entry's index, so a stub is caught by the caller's own check.
        match stored.value.len().checked_sub(TRAILER) {
            Some(at) => little_endian(&stored.value[at..]),
            None => 0,
        }
    }
}

pub(super) fn to_stored(entry: &LogEntry) -> BytesValue {
    let mut value = Vec::with_capacity(entry.data.len() + TRAILER);
    value.extend_from_slice(&entry.data);
    value.extend_from_slice(&entry.index.to_le_bytes());
    value.extend_from_slice(&entry.term.to_le_bytes());
    value.push(match entry.kind {
        EntryKind::Commands => COMMANDS,
        EntryKind::Membership => MEMBERSHIP,
    });
    let mut stored = BytesValue::new();
    stored.value = value;
    stored
}

/// `None` for bytes that no entry is written as.
pub(super) fn from_stored(stored: BytesValue) -> Option<LogEntry> {
    let mut data = stored.value;
    let at = data.len().checked_sub(TRAILER)?;
    let index = little_endian(&data[at..]);
    let term = little_endian(&data[at + 8..]);
    let kind = match data[at + 16] {
        COMMANDS => EntryKind::Commands,
        MEMBERSHIP => EntryKind::Membership,
        _ => return None,
    };
    data.truncate(at);
    Some(LogEntry { index, term, kind, data })
}

pub(super) fn from_hard_state(state: &HardState) -> Vec<u8> {
    [state.term, state.vote, state.commit].iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(super) fn to_hard_state(bytes: &[u8]) -> Option<HardState> {
    let [term, vote, commit] = numbers(bytes)?;
    Some(HardState { term, vote, commit })
}

pub(super) fn from_beginning(beginning: &Beginning) -> Vec<u8> {
    [beginning.first, beginning.term_before].iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(super) fn to_beginning(bytes: &[u8]) -> Option<Beginning> {
    let [first, term_before] = numbers(bytes)?;
    Some(Beginning { first, term_before })
}

fn numbers<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    (bytes.len() == N * 8).then(|| std::array::from_fn(|i| little_endian(&bytes[i * 8..])))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes[..8].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
