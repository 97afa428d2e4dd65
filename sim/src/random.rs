//! The one source of chance: xoshiro256**, seeded by splitmix64 (D. Blackman and S. Vigna, 2018, "Scrambled
//! linear pseudorandom number generators"; both public domain). Integers only: the same on every machine.

use std::ops::RangeInclusive;

/// One in a million: the unit of every probability here.
pub const MILLION: u32 = 1_000_000;

/// A seeded generator.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Random {
        let mut at = seed;
        Random { state: std::array::from_fn(|_| splitmix(&mut at)) }
    }

    /// The generator of one part of the world: what one part draws does not move what another one draws.
    pub fn stream(seed: u64, name: &str) -> Random {
        let name = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Random::new(seed ^ name.rotate_left(17))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number below `end`, each as likely as any other; 0 for an `end` of 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // Lemire's method: the high half of a product, without the few low halves that would favour some.
        let reject = if end == 0 { 0 } else { end.wrapping_neg() % end };
        loop {
            let product = u128::from(self.bits()) * u128::from(end);
            if product as u64 >= reject {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number in `range`, each as likely as any other.
    pub fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start(), *range.end());
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// A number in `range`, small ones as likely as large ones: each doubling has the same share.
    pub fn scale(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = ((*range.start()).max(1), *range.end());
        let bits = self.between(u64::from(low.ilog2())..=u64::from(high.max(low).ilog2()));
        let floor = 1u64 << bits;
        self.between(floor..=floor.saturating_mul(2) - 1).clamp(low, high.max(low))
    }

    /// Whether something happens that does so `per_million` times in a million.
    pub fn chance(&mut self, per_million: u32) -> bool {
        per_million > 0 && self.below(u64::from(MILLION)) < u64::from(per_million)
    }

    /// A coin.
    pub fn flip(&mut self) -> bool {
        self.bits() & 1 == 1
    }

    /// A waiting time with this mean, exponentially distributed.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        let nats = negative_ln(self.bits() | 1);
        ((u128::from(mean) * u128::from(nats)) >> FRACTION) as u64
    }

    /// One of them; `None` of none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = self.below(from.len() as u64) as usize;
        from.get(at)
    }

    /// Puts them in an order of which each is as likely as any other.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

fn splitmix(at: &mut u64) -> u64 {
    *at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*at ^ (*at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bits after the point in what `negative_ln` gives.
const FRACTION: u32 = 32;
/// The natural logarithm of 2, with 32 bits after the point.
const LN_2: u64 = 2_977_044_472;

/// `-ln(x / 2^64)` with 32 bits after the point. The standard library's logarithm differs between machines;
/// this one squares, and takes a bit whenever the square reaches 2.
fn negative_ln(x: u64) -> u64 {
    let zeros = x.leading_zeros();
    // In [1, 2), with 63 bits after the point.
    let mut mantissa = x << zeros;
    let mut log2 = 0u64;
    for bit in (0..20).rev() {
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        if square >> 64 != 0 {
            log2 |= 1 << bit;
            mantissa = (square >> 1) as u64;
        } else {
            mantissa = square as u64;
        }
    }
    let negative = ((u64::from(zeros) + 1) << 20) - log2;
    ((u128::from(negative) * u128::from(LN_2)) >> 20) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_sequence_and_streams_differ() {
        let draw = |mut random: Random| (0..4).map(|_| random.bits()).collect::<Vec<_>>();
        assert_eq!(draw(Random::new(7)), draw(Random::new(7)));
        assert_ne!(draw(Random::new(7)), draw(Random::new(8)));
        assert_ne!(draw(Random::stream(7, "disk")), draw(Random::stream(7, "network")));
    }

    #[test]
    fn splitmix_gives_the_published_numbers() {
        let mut at = 1_234_567;
        let first: [u64; 3] = std::array::from_fn(|_| splitmix(&mut at));
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_stay_in_bounds_and_reach_them() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[random.below(5) as usize] = true;
            assert!((3..=9).contains(&random.between(3..=9)));
            assert!((2..=1000).contains(&random.scale(2..=1000)));
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(random.below(0), 0);
        assert!(!random.chance(0) && random.chance(MILLION));
    }

    #[test]
    fn exponential_has_its_mean_and_its_tail() {
        let mut random = Random::new(3);
        let draws: Vec<u64> = (0..100_000).map(|_| random.exponential(1000)).collect();
        let mean = draws.iter().sum::<u64>() / draws.len() as u64;
        assert!((980..1020).contains(&mean), "{mean}");
        let late = draws.iter().filter(|draw| **draw > 3000).count();
        assert!((4700..5300).contains(&late), "{late} of 100000 beyond three means, 4979 are expected");
    }

    #[test]
    fn a_shuffle_keeps_all() {
        let mut items: Vec<u32> = (0..50).collect();
        Random::new(5).shuffle(&mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
