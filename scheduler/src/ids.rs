//! Identities: numbers that `State::apply` hands out from its own counters, so that every replica agrees.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// A tenant.
    WorkspaceId(u32), "w");
id!(
    /// A pool of VMs of one size and tier.
    PoolId(u32), "p");
id!(
    /// One VM with a worker on it; never used again once it is gone.
    NodeId(u64), "n");
id!(
    /// A run or an array of runs; numbered in the order of submission.
    RunId(u64), "r");
id!(
    /// Names a client that waits for an answer from this process; never replicated.
    ClientToken(u64), "t");
id!(
    /// One member of the group of controllers.
    ControllerId(u64), "c");

/// The fencing number of an attempt: the index of the log entry that made it, and the position in that
/// entry. A later attempt of a run always has a higher one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl Fence {
    /// How many commands one entry may hold at most, so that positions never overlap.
    pub const POSITIONS: usize = 1 << 16;

    /// The number for the command at `position` of the entry at `index`.
    pub fn new(index: u64, position: usize) -> Fence {
        debug_assert!(position < Fence::POSITIONS);
        Fence((index << 16) | position as u64)
    }

    /// The entry that made it.
    pub fn index(self) -> u64 {
        self.0 >> 16
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f{}.{}", self.0 >> 16, self.0 & 0xffff)
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One element of a run: 0 for a run that is not an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The run.
    pub run: RunId,
    /// The element, from 0.
    pub element: u32,
}

/// Chosen by a client for one request that changes something: the same key asks for the same thing again, and
/// gets the same answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestKey(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// The content address of a run's body or of a blob: a SHA-256 that the driver computed and checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
