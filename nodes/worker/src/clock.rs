//! The clocks, read in one place.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tidegate_scheduler::time::{Millis, Moment, WallMicros};

/// Tells the time since it was made, and of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(&self) -> Moment {
        let elapsed = Millis(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX));
        // A clock before 1970 is one that was never set.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { elapsed, wall: WallMicros(u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)) }
    }
}
