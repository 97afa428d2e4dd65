//! What was used of a budget: vCPU times time, in the current period of the calendar.

use super::allowance::Budget;
use crate::time::{Millis, WallMicros};
use serde::{Deserialize, Serialize};

const HOUR: u64 = 3_600_000;

/// The moment of an entry, by the cluster's own clock and by the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The cluster's time: how long something was used.
    pub time: Millis,
    /// The leader's wall clock: which period it is.
    pub wall: WallMicros,
}

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// vCPU times milliseconds since the period began, up to `until`.
    used: u64,
    until: Millis,
    /// vCPU that are in use since then.
    rate: u64,
    /// When the period began, and when the next one does.
    period: (WallMicros, WallMicros),
}

impl Spent {
    /// vCPU times milliseconds in the current period, up to now.
    pub(super) fn used(&self, budget: &Budget, now: Now) -> u64 {
        let since = now.time.since(self.until);
        // A wall clock that was put back opens no period a second time.
        if now.wall < self.period.1 {
            return self.used.saturating_add(self.rate.saturating_mul(since.0));
        }
        let (began, _) = budget.period.around(now.wall);
        let of_period = Millis((now.wall.0 - began.0) / 1000);
        self.rate.saturating_mul(since.min(of_period).0)
    }

    /// Whether it is used up.
    pub(super) fn is_used_up(&self, budget: &Budget, now: Now) -> bool {
        self.used(budget, now) >= budget.vcpu_hours.saturating_mul(HOUR)
    }

    /// From now on so much is in use.
    pub(super) fn set_rate(&mut self, budget: &Budget, now: Now, rate: u64) {
        self.used = self.used(budget, now);
        self.until = self.until.max(now.time);
        self.rate = rate;
        if now.wall >= self.period.1 {
            self.period = budget.period.around(now.wall);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::allowance::Period;
    use super::*;

    const BUDGET: Budget = Budget { vcpu_hours: 10, period: Period::Day };

    /// Hours since 1970, when the cluster was made at hour 0.
    fn hour(hour: u64) -> Now {
        Now { time: Millis(hour * HOUR), wall: WallMicros(hour * HOUR * 1000) }
    }

    #[test]
    fn it_is_used_up_by_time_and_comes_back_with_the_next_period() {
        let mut spent = Spent::default();
        spent.set_rate(&BUDGET, hour(12), 2);
        assert_eq!(spent.used(&BUDGET, hour(14)), 4 * HOUR);
        assert!(!spent.is_used_up(&BUDGET, hour(16)));
        assert!(spent.is_used_up(&BUDGET, hour(17)));
        spent.set_rate(&BUDGET, hour(18), 1);
        assert_eq!(spent.used(&BUDGET, hour(20)), 14 * HOUR);
        assert_eq!(spent.used(&BUDGET, hour(27)), 3 * HOUR, "only what is of the new day");
        spent.set_rate(&BUDGET, hour(27), 0);
        assert_eq!(spent.used(&BUDGET, hour(40)), 3 * HOUR);
    }

    #[test]
    fn a_clock_that_is_put_back_gives_nothing_back() {
        let mut spent = Spent::default();
        spent.set_rate(&BUDGET, hour(36), 5);
        let back = Now { wall: hour(3).wall, ..hour(37) };
        assert_eq!(spent.used(&BUDGET, back), 5 * HOUR);
        spent.set_rate(&BUDGET, back, 5);
        assert_eq!(spent.used(&BUDGET, hour(38)), 10 * HOUR);
    }
}
