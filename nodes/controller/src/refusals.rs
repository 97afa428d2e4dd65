//! What is said of peers that are refused: one that is dials again at once, for as long as it lives, and must not fill the
//! log. Each reason is said once for each peer, and then at most once a minute, with how often it came meanwhile.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing more is said of the same peer for the same reason.
const QUIET: Duration = Duration::from_secs(60);
/// How many peers and reasons are told apart; all beyond are one.
const KEPT: usize = 1024;

/// Who was refused, and why; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Arc<Mutex<HashMap<(String, String), Said>>>);

struct Said {
    at: Instant,
    since: u64,
}

impl Refusals {
    /// Says that a peer is refused, unless that was said a moment ago.
    pub(crate) fn say(&self, peer: impl Display, reason: impl Display) {
        let (peer, reason) = (peer.to_string(), reason.to_string());
        match self.counted(&peer, &reason, Instant::now()) {
            Some(0) => tracing::warn!(%peer, %reason, "a peer is refused"),
            Some(times) => tracing::warn!(%peer, %reason, times, "a peer is refused again and again"),
            None => tracing::debug!(%peer, %reason, "a peer is refused"),
        }
    }

    /// How often it happened since it was last said, if it is to be said now.
    fn counted(&self, peer: &str, reason: &str, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (peer.to_owned(), reason.to_owned());
        if !said.contains_key(&key) && said.len() >= KEPT {
            said.retain(|_, said| now.duration_since(said.at) < QUIET);
            if said.len() >= KEPT {
                key = ("others".to_owned(), String::new());
            }
        }
        let Some(said) = said.get_mut(&key) else {
            said.insert(key, Said { at: now, since: 0 });
            return Some(0);
        };
        said.since += 1;
        let is_due = now.duration_since(said.at) >= QUIET;
        is_due.then(|| {
            said.at = now;
            std::mem::take(&mut said.since)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_minute_with_how_often_it_came() {
        let refusals = Refusals::default();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(refusals.counted("c3", "removed", begun), Some(0));
        for second in 1..60 {
            assert_eq!(refusals.counted("c3", "removed", at(second)), None);
        }
        assert_eq!(refusals.counted("c3", "another reason", at(59)), Some(0));
        assert_eq!(refusals.counted("c4", "removed", at(59)), Some(0));
        assert_eq!(refusals.counted("c3", "removed", at(60)), Some(60));
        assert_eq!(refusals.counted("c3", "removed", at(119)), None);
        assert_eq!(refusals.counted("c3", "removed", at(500)), Some(2));
    }

    #[test]
    fn strangers_without_number_are_one() {
        let refusals = Refusals::default();
        let begun = Instant::now();
        let said = |count: usize| {
            let strangers = (0..count).map(|at| format!("10.0.{}.{}", at / 256, at % 256));
            strangers.filter(|peer| refusals.counted(peer, "unknown", begun).is_some()).count()
        };
        assert_eq!(said(10 * KEPT), KEPT + 1);
        assert!(refusals.0.lock().unwrap().len() <= KEPT + 1);
        assert_eq!(refusals.counted("new", "unknown", begun + QUIET), Some(0), "old ones are forgotten");
    }
}
