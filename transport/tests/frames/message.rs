//! A message type that has every shape that real ones have. Shared with the fuzz target.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Every kind of variant, nested, recursive, with bytes, options, maps and wide integers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// No content.
    Nothing,
    /// One value.
    Number(u64),
    /// Several values.
    Triple(i64, u128, bool),
    /// Named values.
    Start {
        /// Text.
        run: String,
        /// Text of many.
        command: Vec<String>,
        /// Pairs.
        variables: BTreeMap<String, String>,
        /// A value that may be missing.
        limit: Option<u32>,
        /// An enum in a struct.
        phase: Phase,
    },
    /// Bytes, as one byte string.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// A list of large elements, which claimed lengths must not make room for.
    Table(Vec<[u64; 16]>),
    /// Nested without end: rmp-serde alone does not bound it.
    Again(Box<Message>),
    /// Nested lists.
    Many(Vec<Message>),
}

/// A plain enum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// First.
    Preparing,
    /// Second.
    Running,
}
