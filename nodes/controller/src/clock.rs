//! The only reader of the real clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tidegate_scheduler::time::{Millis, Moment, WallMicros};

/// Counts from its making.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Now.
    pub(crate) fn moment(&self) -> Moment {
        Moment { elapsed: Millis(self.0.elapsed().as_millis() as u64), wall: wall() }
    }
}

/// The wall clock; 0 before 1970.
pub fn wall() -> WallMicros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    WallMicros(since.map_or(0, |since| since.as_micros() as u64))
}
