//! When something is due for a run: its time is over, or its grace period. One thread waits for the earliest.

use std::{
    collections::BTreeSet,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The run's time is over.
    Timeout,
    /// Its grace period is over.
    Kill,
}

/// All deadlines, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    entries: Mutex<BTreeSet<(Instant, u64, Due)>>,
    earlier: Condvar,
}

/// The moment so many milliseconds from now, at most a century away.
pub(super) fn after(milliseconds: u64) -> Instant {
    const CENTURY_MS: u64 = 100 * 366 * 24 * 3600 * 1000;
    Instant::now() + Duration::from_millis(milliseconds.min(CENTURY_MS))
}

impl Deadlines {
    fn entries(&self) -> MutexGuard<'_, BTreeSet<(Instant, u64, Due)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something will be due for the attempt `fence`.
    pub(super) fn arm(&self, at: Instant, fence: u64, due: Due) {
        let mut entries = self.entries();
        entries.insert((at, fence, due));
        if entries.first() == Some(&(at, fence, due)) {
            self.earlier.notify_one();
        }
    }

    /// It will not.
    pub(super) fn cancel(&self, at: Instant, fence: u64, due: Due) {
        self.entries().remove(&(at, fence, due));
    }

    /// Waits for the next thing that is due, for ever if there is none.
    pub(super) fn next(&self) -> (u64, Due) {
        let mut entries = self.entries();
        loop {
            let now = Instant::now();
            entries = match entries.first().copied() {
                None => self.earlier.wait(entries).unwrap_or_else(PoisonError::into_inner),
                Some((at, fence, due)) if at <= now => {
                    entries.pop_first();
                    return (fence, due);
                }
                Some((at, ..)) => {
                    let waited = self.earlier.wait_timeout(entries, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_what_is_cancelled_never() {
        let deadlines = Deadlines::default();
        let (soon, sooner) = (after(2), after(1));
        deadlines.arm(soon, 1, Due::Kill);
        deadlines.arm(sooner, 2, Due::Timeout);
        deadlines.arm(sooner, 3, Due::Timeout);
        deadlines.cancel(sooner, 2, Due::Timeout);
        assert_eq!(deadlines.next(), (3, Due::Timeout));
        assert_eq!(deadlines.next(), (1, Due::Kill));
    }

    #[test]
    fn an_earlier_one_wakes_the_waiter() {
        let deadlines = Deadlines::default();
        deadlines.arm(after(3_600_000), 1, Due::Kill);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| deadlines.next());
            deadlines.arm(after(0), 2, Due::Timeout);
            assert_eq!(waiter.join().unwrap(), (2, Due::Timeout));
        });
    }
}
