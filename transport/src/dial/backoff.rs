//! How long to wait before the next try: doubling, and drawn by chance from what doubling has come to.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::DialPolicy;

pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    random: StdRng,
    tries: u32,
}

impl Backoff {
    pub(super) fn new(policy: &DialPolicy) -> Self {
        Self {
            min: policy.min_pause,
            max: policy.max_pause.max(policy.min_pause),
            random: StdRng::seed_from_u64(policy.seed),
            tries: 0,
        }
    }

    /// Tries since the last reset.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// The pause after one more try: from the shortest to one that doubles with every try.
    pub(super) fn pause(&mut self) -> Duration {
        self.tries = self.tries.saturating_add(1);
        let doubled = 1u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        let high = self.min.saturating_mul(doubled).min(self.max);
        self.random.random_range(self.min..=high.max(self.min))
    }

    /// All is well again.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds_and_repeat_with_the_seed() {
        let draw = |seed| {
            let mut backoff = Backoff::new(&DialPolicy::new(seed));
            (0..100).map(|_| backoff.pause()).collect::<Vec<_>>()
        };
        let pauses = draw(1);
        assert_eq!(pauses, draw(1));
        assert_ne!(pauses, draw(2));
        let ms = Duration::from_millis;
        assert!(pauses.iter().all(|pause| (ms(20)..=ms(1000)).contains(pause)), "{pauses:?}");
        assert!(pauses[0] <= ms(40) && pauses[1] <= ms(80), "{pauses:?}");
        assert!(pauses[6..].iter().max() > Some(&ms(500)), "{pauses:?}");
    }

    #[test]
    fn a_reset_begins_with_the_shortest() {
        let mut backoff = Backoff::new(&DialPolicy::new(3));
        for _ in 0..50 {
            backoff.pause();
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(40));
        assert_eq!(backoff.tries(), 1);
    }
}
