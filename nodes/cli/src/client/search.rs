//! How long, and how patiently, a request looks for a server that answers.

use std::time::{Duration, Instant};

/// How long a request is tried again.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// After so long people are told what is waited for.
const SILENT: Duration = Duration::from_secs(2);
/// How long one of several servers may take to begin its answer, the first time it is asked.
const ANSWER: Duration = Duration::from_secs(5);
/// The pause after every server was asked once; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// One request on its way round the servers.
pub(super) struct Search {
    servers: usize,
    patience: Duration,
    since: Instant,
    /// How often a server was asked in vain.
    vain: u32,
    told: bool,
}

/// What to do after a server was asked in vain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask the next server after this pause; `tell` people that it takes long.
    Ask { pause: Duration, tell: bool },
    /// It has been tried for long enough.
    GiveUp,
}

impl Search {
    /// Begins now, over so many servers.
    pub(super) fn new(servers: usize, patience: Duration) -> Search {
        Search { servers: servers.max(1), patience, since: Instant::now(), vain: 0, told: false }
    }

    /// How often every server was asked in vain.
    fn rounds(&self) -> u32 {
        self.vain / u32::try_from(self.servers).unwrap_or(u32::MAX)
    }

    /// How long the server that is asked now may take to begin its answer, when it does not wait for anything. Without
    /// another one to ask there is no limit; the more rounds were in vain, the likelier it is that the answer takes long.
    pub(super) fn answer_within(&self) -> Option<Duration> {
        (self.servers > 1).then(|| ANSWER * 2_u32.saturating_pow(self.rounds().min(6)))
    }

    /// A server was asked in vain.
    pub(super) fn after_vain(&mut self) -> Next {
        self.after_vain_at(self.since.elapsed())
    }

    fn after_vain_at(&mut self, elapsed: Duration) -> Next {
        self.vain += 1;
        let whole_round = self.vain.is_multiple_of(u32::try_from(self.servers).unwrap_or(u32::MAX));
        if elapsed >= self.patience && (whole_round || !self.patience.is_zero()) {
            return Next::GiveUp;
        }
        let pause = match whole_round {
            true => (PAUSE * 2_u32.saturating_pow((self.rounds() - 1).min(6))).min(PAUSE_MAX),
            false => Duration::ZERO,
        };
        let tell = elapsed >= SILENT && !self.told;
        self.told |= tell;
        Next::Ask { pause, tell }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_next_is_asked_at_once_and_a_pause_follows_each_round() {
        let mut search = Search::new(3, PATIENCE);
        let pauses: Vec<Next> = (0..7).map(|_| search.after_vain_at(ms(100))).collect();
        let ask = |pause| Next::Ask { pause: ms(pause), tell: false };
        assert_eq!(pauses, [0, 0, 50, 0, 0, 100, 0].map(ask));
        for _ in 0..100 {
            assert!(matches!(search.after_vain_at(ms(100)), Next::Ask { pause, .. } if pause <= PAUSE_MAX));
        }
    }

    #[test]
    fn people_are_told_once_and_it_ends() {
        let mut search = Search::new(2, PATIENCE);
        let told =
            |search: &mut Search, at| matches!(search.after_vain_at(ms(at)), Next::Ask { tell: true, .. });
        assert!(!told(&mut search, 1_900));
        assert!(told(&mut search, 2_000));
        assert!(!told(&mut search, 29_000));
        assert_eq!(search.after_vain_at(PATIENCE), Next::GiveUp);
    }

    #[test]
    fn without_patience_every_server_is_asked_once() {
        let mut search = Search::new(3, Duration::ZERO);
        assert!(matches!(search.after_vain_at(ms(1)), Next::Ask { .. }));
        assert!(matches!(search.after_vain_at(ms(2)), Next::Ask { .. }));
        assert_eq!(search.after_vain_at(ms(3)), Next::GiveUp);
    }

    #[test]
    fn a_slow_answer_is_given_more_time_each_round() {
        assert_eq!(Search::new(1, PATIENCE).answer_within(), None);
        let mut search = Search::new(2, PATIENCE);
        let mut limits = Vec::new();
        for _ in 0..5 {
            limits.push(search.answer_within().unwrap().as_secs());
            search.after_vain_at(ms(1));
        }
        assert_eq!(limits, [5, 5, 10, 10, 20]);
    }
}
