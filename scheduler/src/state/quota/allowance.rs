//! What a node of the quota tree is granted.

use crate::time::{Millis, WallMicros};
use serde::{Deserialize, Serialize};

/// What a region, a workspace or a team may have of a family's vCPU.
///
/// `nominal` includes what the parts below are granted, and is never less than their sum. Without any allowance a region
/// is unlimited, and a workspace or team has nothing of its own but may borrow all that nobody needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// vCPU that are its own: it comes before all that borrow when some are free.
    pub nominal: u64,
    /// vCPU that it may have beyond `nominal`, while others do not need them; all that there are when absent.
    pub borrowing_limit: Option<u64>,
    /// vCPU of `nominal` that others may borrow; all when absent.
    pub lending_limit: Option<u64>,
    /// What part of the spare it is entitled to, beside its siblings; one that weighs 0 borrows last.
    pub weight: u32,
    /// vCPU-hours that it may use in a period.
    pub budget: Option<Budget>,
}

impl Default for Allowance {
    fn default() -> Allowance {
        Allowance { nominal: 0, borrowing_limit: None, lending_limit: None, weight: 1, budget: None }
    }
}

impl Allowance {
    /// Never more than this many vCPU, and none of another's.
    pub fn limited(limit: u64) -> Allowance {
        Allowance { nominal: limit, borrowing_limit: Some(0), ..Allowance::default() }
    }

    /// Never more than this many vCPU, all of them borrowed.
    pub fn capped(limit: u64) -> Allowance {
        Allowance { borrowing_limit: Some(limit), ..Allowance::default() }
    }

    /// The most vCPU that it may ever have; `None` when only what others need limits it.
    pub fn most(&self) -> Option<u64> {
        self.borrowing_limit.map(|more| self.nominal.saturating_add(more))
    }
}

/// vCPU-hours in a period. What runs when they are used up goes on; nothing new is granted until the next period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// So many.
    pub vcpu_hours: u64,
    /// In each of these.
    pub period: Period,
}

/// A calendar period, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A month of the calendar.
    Month,
}

const DAY: u64 = 24 * 3600 * 1_000_000;

impl Period {
    /// When the period began in which `wall` lies, and when the next one begins.
    pub fn around(self, wall: WallMicros) -> (WallMicros, WallMicros) {
        let day = wall.0 / DAY;
        let (from, to) = match self {
            Period::Day => (day, day + 1),
            // 1970 began on a Thursday.
            Period::Week => {
                let monday = (day + 3) / 7 * 7;
                (monday.saturating_sub(3), monday + 4)
            }
            Period::Month => {
                let (year, month) = month_of(day);
                let (next_year, next) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                (first_day(year, month), first_day(next_year, next))
            }
        };
        (WallMicros(from * DAY), WallMicros(to * DAY))
    }

    /// How long it is from `wall` until the next period.
    pub fn remaining(self, wall: WallMicros) -> Millis {
        let (_, next) = self.around(wall);
        Millis((next.0 - wall.0).div_ceil(1000))
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        })
    }
}

/// Year and month, from 1, of a day counted from 1970-01-01, by the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day comes last and the lengths of months follow one line.
fn month_of(day: u64) -> (u64, u64) {
    let from_0000_03_01 = day + 719_468;
    let era = from_0000_03_01 / 146_097;
    let of_era = from_0000_03_01 % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month)
}

/// The first day of a month, counted from 1970-01-01.
fn first_day(year: u64, month: u64) -> u64 {
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * month_from_march + 2) / 5;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970, as `date -u +%s` tells them.
    fn at(seconds: u64) -> WallMicros {
        WallMicros(seconds * 1_000_000)
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        // 2024-02-29 12:00, a Thursday.
        let noon = at(1_709_208_000);
        assert_eq!(Period::Day.around(noon), (at(1_709_164_800), at(1_709_251_200)));
        // From Monday 2024-02-26 to Monday 2024-03-04.
        assert_eq!(Period::Week.around(noon), (at(1_708_905_600), at(1_709_510_400)));
        // From 2024-02-01 to 2024-03-01.
        assert_eq!(Period::Month.around(noon), (at(1_706_745_600), at(1_709_251_200)));
        assert_eq!(Period::Month.remaining(noon), Millis::seconds(12 * 3600));
        // 2023-12-31 23:59:59, and the second after it.
        assert_eq!(Period::Month.around(at(1_704_067_199)).1, at(1_704_067_200));
        assert_eq!(Period::Month.around(at(1_704_067_200)), (at(1_704_067_200), at(1_706_745_600)));
        assert_eq!(Period::Week.around(at(0)).1, at(4 * 86_400), "1970-01-05 was a Monday");
    }

    #[test]
    fn every_day_is_in_the_month_that_begins_before_it() {
        for day in 0..200_000 {
            let (year, month) = month_of(day);
            let first = first_day(year, month);
            assert!(
                first <= day && day - first < 31,
                "day {day} is of {year}-{month}, which began on {first}"
            );
            assert_eq!(month_of(first), (year, month));
        }
    }
}
