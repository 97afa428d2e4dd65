//! Use over time that is forgotten by halves: what one had weighs less the longer it is ago.
//!
//! Integers and a table alone, so that every replica comes to the same number.

use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// Use of this long ago counts half.
pub const HALF_LIFE: Millis = Millis::seconds(7 * 24 * 3600);
/// What is granted counts at once as if it had been used for so long already, so that nobody can take everything in the
/// moment before his use is noticed.
pub const ENTRY_PENALTY: Millis = Millis::seconds(60);

/// One in this fixed point.
const ONE: u128 = 1 << 60;
/// 1 / ln 2, of `1 << 32`.
const PER_LN_2: u128 = 6_196_328_019;
/// 2^-(1/2), 2^-(1/4), 2^-(1/8), ... of `ONE`.
const ROOTS: [u128; 32] = [
    815_238_614_083_298_888,
    969_487_560_292_816_559,
    1_057_233_681_222_091_667,
    1_104_041_415_199_452_355,
    1_128_216_774_188_376_116,
    1_140_502_249_370_840_087,
    1_146_695_063_803_852_933,
    1_149_804_069_520_534_666,
    1_151_361_731_965_541_101,
    1_152_141_354_333_077_009,
    1_152_531_363_459_347_061,
    1_152_726_417_527_650_500,
    1_152_823_956_940_537_958,
    1_152_872_729_741_971_125,
    1_152_897_116_916_473_259,
    1_152_909_310_697_175_488,
    1_152_915_407_635_889_989,
    1_152_918_456_117_338_161,
    1_152_919_980_361_084_987,
    1_152_920_742_483_714_086,
    1_152_921_123_545_217_557,
    1_152_921_314_076_016_523,
    1_152_921_409_341_427_814,
    1_152_921_456_974_136_411,
    1_152_921_480_790_491_447,
    1_152_921_492_698_669_150,
    1_152_921_498_652_758_048,
    1_152_921_501_629_802_508,
    1_152_921_503_118_324_741,
    1_152_921_503_862_585_858,
    1_152_921_504_234_716_417,
    1_152_921_504_420_781_697,
];

/// What is left of `ONE` after so long.
fn decay(span: Millis) -> u128 {
    let whole = span.0 / HALF_LIFE.0;
    if whole >= 60 {
        return 0;
    }
    // The part of a half-life that is left over, as a binary fraction.
    let mut rest = u128::from(span.0 % HALF_LIFE.0);
    let mut left = ONE >> whole;
    for root in ROOTS {
        rest *= 2;
        if rest >= u128::from(HALF_LIFE.0) {
            rest -= u128::from(HALF_LIFE.0);
            left = left * root / ONE;
        }
    }
    left
}

/// Use of something, forgotten by halves. Its unit is that of the rate times a millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    value: u64,
    at: Millis,
    rate: u64,
}

impl History {
    /// What it comes to at a moment, if the rate stays until then.
    pub fn value(&self, now: Millis) -> u64 {
        let span = now.since(self.at);
        if span.0 == 0 {
            return self.value;
        }
        let left = decay(span);
        // The integral of rate * 2^-(t / half life) over the span.
        let lost = (u128::from(HALF_LIFE.0) << 16) * (ONE - left) / ONE;
        let gained = (u128::from(self.rate) * lost * PER_LN_2) >> 48;
        let sum = u128::from(self.value) * left / ONE + gained;
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// What is used now.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// From now on so much is used; `granted` of it is new.
    pub fn set_rate(&mut self, now: Millis, rate: u64, granted: u64) {
        self.value = self.value(now).saturating_add(granted.saturating_mul(ENTRY_PENALTY.0));
        self.at = self.at.max(now);
        self.rate = rate;
    }

    /// The rate that, had it stayed for ever, would have come to the same, in thousandths.
    pub fn average_milli(&self, now: Millis) -> u64 {
        let forever = (u128::from(HALF_LIFE.0) * PER_LN_2) >> 32;
        (u128::from(self.value(now)) * 1000 / forever) as u64
    }

    /// Whether nothing is used, and nothing remembered.
    pub fn is_forgotten(&self, now: Millis) -> bool {
        self.rate == 0 && self.value(now) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One GPU for one half-life of a week makes 121.18638 GPU-hours: half of 168 h / ln 2.
    #[test]
    fn one_half_life_of_constant_use() {
        let mut gpu = History::default();
        gpu.set_rate(Millis(0), 1, 0);
        let hours = |ms: u64| ms as f64 / 3.6e6;
        assert!((hours(gpu.value(HALF_LIFE)) - 121.186_38).abs() < 0.000_01);
        let long = Millis(HALF_LIFE.0 * 31);
        assert!((hours(gpu.value(long)) - 242.372_77).abs() < 0.000_01);
        assert_eq!(gpu.average_milli(long), 1000);
    }

    #[test]
    fn it_does_not_matter_how_often_one_looks() {
        let mut rough = History::default();
        rough.set_rate(Millis(0), 700, 0);
        let mut fine = rough;
        for minute in 1..=20_000 {
            fine.set_rate(Millis::seconds(60 * minute), 700, 0);
        }
        let (rough, fine) = (rough.value(fine.at), fine.value(fine.at));
        assert!(rough.abs_diff(fine) < rough / 100_000, "{rough} and {fine}");
    }

    #[test]
    fn what_is_granted_counts_at_once_and_is_forgotten_in_the_end() {
        let mut history = History::default();
        history.set_rate(Millis(5), 8, 8);
        assert_eq!(history.value(Millis(5)), 8 * 60_000);
        history.set_rate(Millis(5), 0, 0);
        assert_eq!(history.value(Millis(5).after(HALF_LIFE)), 4 * 60_000);
        assert!(history.is_forgotten(Millis(HALF_LIFE.0 * 40)));
        history.set_rate(Millis(1), 0, 0);
        assert_eq!(history.at, Millis(5), "time does not go back");
    }
}
