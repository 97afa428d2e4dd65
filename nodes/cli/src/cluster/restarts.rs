//! What the end of a controller's process means, and when it is started again.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// One that has lived for so long did not die of its start.
const LIVED: Duration = Duration::from_secs(10);
/// The pause before the second start in quick succession; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How a controller's process ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Well, and not because we told it to: somebody else did, or it was removed from the cluster.
    Left,
    /// Its data folder must not be used again.
    Damaged,
    /// Otherwise; in words.
    Died(String),
}

impl End {
    pub(super) fn of(status: ExitStatus) -> End {
        match (status.code(), status.signal()) {
            (Some(0), _) => End::Left,
            (Some(code), _) if code == i32::from(crate::failure::DAMAGED) => End::Damaged,
            (Some(code), _) => End::Died(format!("exit code {code}")),
            (None, Some(signal)) => End::Died(format!("signal {signal}")),
            (None, None) => End::Died(status.to_string()),
        }
    }
}

/// How often a controller has died in quick succession.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    deaths: u32,
}

impl Restarts {
    /// It died after so long; gives the pause before it is started again.
    pub(super) fn died_after(&mut self, lived: Duration) -> Duration {
        self.deaths = if lived >= LIVED { 1 } else { self.deaths + 1 };
        match self.deaths {
            1 => Duration::ZERO,
            more => (PAUSE * 2_u32.saturating_pow((more - 2).min(8))).min(PAUSE_MAX),
        }
    }

    /// Deaths in quick succession.
    pub(super) fn deaths(&self) -> u32 {
        self.deaths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_death_costs_no_time_and_each_later_one_more() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u128> =
            (0..8).map(|_| restarts.died_after(Duration::from_secs(1)).as_millis()).collect();
        assert_eq!(pauses, [0, 250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(restarts.deaths(), 8);
        assert_eq!(restarts.died_after(LIVED), Duration::ZERO);
        assert_eq!(restarts.deaths(), 1);
        for _ in 0..100 {
            assert!(restarts.died_after(Duration::ZERO) <= PAUSE_MAX);
        }
    }

    #[test]
    fn an_end_is_told_by_its_code() {
        // As wait(2) has it: the code is in the second byte, a signal in the first.
        let end = |raw| End::of(ExitStatus::from_raw(raw));
        assert_eq!(end(0), End::Left);
        assert_eq!(end(1 << 8), End::Damaged);
        assert_eq!(end(2 << 8), End::Died("exit code 2".to_owned()));
        assert_eq!(end(9), End::Died("signal 9".to_owned()));
    }
}
