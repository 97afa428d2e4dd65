//! How long a worker that dies again and again is left alone before it is started once more.

use std::time::Duration;

/// A worker that lived for less died quickly.
const QUICK: Duration = Duration::from_secs(10);

const AT_ONCE: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const GIVE_UP: u32 = 10;

/// Quick deaths in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deaths(u32);

impl Deaths {
    /// The worker died after this life.
    pub(super) fn after(self, life: Duration) -> Deaths {
        Deaths(if life < QUICK { self.0 + 1 } else { 0 })
    }

    /// How many.
    pub(super) fn count(self) -> u32 {
        self.0
    }

    /// How long to wait before the next start; `None`: no more.
    pub(super) fn pause(self) -> Option<Duration> {
        match self.0 {
            0..=AT_ONCE => Some(Duration::ZERO),
            GIVE_UP.. => None,
            more => Some((FIRST_PAUSE * (1 << (more - AT_ONCE - 1))).min(LONGEST_PAUSE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_it_is_given_up() {
        let mut deaths = Deaths::default();
        let mut pauses = Vec::new();
        for _ in 0..GIVE_UP {
            deaths = deaths.after(Duration::from_secs(1));
            pauses.push(deaths.pause().map(|pause| pause.as_millis()));
        }
        let wanted = [0, 0, 0, 100, 200, 400, 800, 1600, 3200].map(Some);
        assert_eq!(pauses[..9], wanted);
        assert_eq!(pauses[9], None);
        assert_eq!(deaths.after(QUICK).pause(), Some(Duration::ZERO));
    }
}
