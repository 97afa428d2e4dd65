//! Time as the core knows it: integers that a driver hands in, or that an entry of the log carries.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds. As a point in time: since the group was made (`State::now`), or since the driver started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A point in time that never comes.
    pub const NEVER: Millis = Millis(u64::MAX);

    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Millis {
        Millis(seconds * 1000)
    }

    /// This point moved on by a span; stays at the end of time instead of wrapping.
    pub fn after(self, span: Millis) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; nothing if it is still to come.
    pub fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms if ms < 1000 => write!(f, "{ms} ms"),
            ms if ms < 120_000 => write!(f, "{}.{} s", ms / 1000, ms % 1000 / 100),
            ms => write!(f, "{} min", ms / 60_000),
        }
    }
}

/// Microseconds of wall time since 1970: annotates, never decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallMicros(pub u64);

/// The moment at which an input arrived, as the driver's clocks tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Monotonic, since the driver started.
    pub elapsed: Millis,
    /// Wall time.
    pub wall: WallMicros,
}
