//! Virtual time, and the clocks of machines, which differ from it.

use std::fmt;
use tidegate_scheduler::time::{Millis, Moment, WallMicros};

/// Microseconds of virtual time: a point since the beginning of the play, or a span.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub u64);

impl Micros {
    /// A span of whole milliseconds.
    pub const fn millis(millis: u64) -> Micros {
        Micros(millis * 1000)
    }

    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    /// This point moved on by a span.
    pub fn after(self, span: Micros) -> Micros {
        Micros(self.0.saturating_add(span.0))
    }

    /// How long ago `earlier` was; nothing if it is still to come.
    pub fn since(self, earlier: Micros) -> Micros {
        Micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A rate of 1, in millionths.
pub const TRUE_RATE: u64 = 1_000_000;
/// Where the wall clock of every play begins: five minutes before midnight, UTC, so that in each a day ends.
const WALL_BEGINS: u64 = 1_700_006_100_000_000;

/// One machine's clocks: a monotonic one that may run fast or slow, and a wall clock that may also jump.
#[derive(Clone, Debug)]
pub struct MachineClock {
    rate: u64,
    /// The moment from which `rate` holds, and what the monotonic clock showed then, in microseconds.
    since: Micros,
    shown: u64,
    wall_offset: i64,
}

impl MachineClock {
    /// A clock that starts now, with a rate in millionths.
    pub fn start(now: Micros, rate: u64) -> MachineClock {
        MachineClock { rate, since: now, shown: 0, wall_offset: 0 }
    }

    /// What it shows.
    pub fn moment(&self, now: Micros) -> Moment {
        let shown = self.shown(now);
        let wall = (WALL_BEGINS + now.0).saturating_add_signed(self.wall_offset);
        Moment { elapsed: Millis(shown / 1000), wall: WallMicros(wall) }
    }

    fn shown(&self, now: Micros) -> u64 {
        self.shown
            + (u128::from(now.since(self.since).0) * u128::from(self.rate) / u128::from(TRUE_RATE)) as u64
    }

    /// The first moment at which the monotonic clock shows `elapsed`.
    pub fn when(&self, elapsed: Millis) -> Micros {
        let missing = u128::from(elapsed.0.saturating_mul(1000).saturating_sub(self.shown));
        let span = (missing * u128::from(TRUE_RATE)).div_ceil(u128::from(self.rate.max(1)));
        self.since.after(Micros(u64::try_from(span).unwrap_or(u64::MAX)))
    }

    /// From now on it runs at this rate, in millionths.
    pub fn set_rate(&mut self, now: Micros, rate: u64) {
        self.shown = self.shown(now);
        self.since = now;
        self.rate = rate;
    }

    /// The wall clock jumps, forward or back.
    pub fn jump_wall(&mut self, micros: i64) {
        self.wall_offset = self.wall_offset.saturating_add(micros);
    }

    /// Its process starts again: the monotonic clock begins anew, the rest of the machine's stays.
    pub fn restart(&mut self, now: Micros) {
        self.shown = 0;
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_shows_more_and_never_goes_back() {
        let mut clock = MachineClock::start(Micros::seconds(5), 2 * TRUE_RATE);
        assert_eq!(clock.moment(Micros::seconds(6)).elapsed, Millis(2000));
        clock.set_rate(Micros::seconds(6), TRUE_RATE / 2);
        assert_eq!(clock.moment(Micros::seconds(6)).elapsed, Millis(2000));
        assert_eq!(clock.moment(Micros::seconds(8)).elapsed, Millis(3000));
    }

    #[test]
    fn when_is_the_first_moment_that_shows_it() {
        for rate in [TRUE_RATE, 3 * TRUE_RATE / 2, TRUE_RATE / 3, TRUE_RATE + 37] {
            let clock = MachineClock::start(Micros(123_457), rate);
            for elapsed in [0, 1, 50, 399, 10_007] {
                let at = clock.when(Millis(elapsed));
                assert!(clock.moment(at).elapsed >= Millis(elapsed));
                assert!(elapsed == 0 || clock.moment(Micros(at.0 - 2)).elapsed < Millis(elapsed));
            }
        }
    }

    #[test]
    fn a_jump_of_the_wall_clock_leaves_the_other_one_alone() {
        let mut clock = MachineClock::start(Micros(0), TRUE_RATE);
        let before = clock.moment(Micros::seconds(1));
        clock.jump_wall(-3_600_000_000);
        let after = clock.moment(Micros::seconds(1));
        assert_eq!(before.elapsed, after.elapsed);
        assert_eq!(before.wall.0 - after.wall.0, 3_600_000_000);
    }
}
