//! Which blobs a majority was seen to have a while ago, so that not every submission asks all others for the same code.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidegate_store::Digest;

/// How long it is believed: far shorter than a blob stays that nobody refers to.
const BELIEVED: Duration = Duration::from_secs(3600);
/// How many are remembered; beyond, all are asked for again.
const REMEMBERED: usize = 1 << 16;

/// Blobs that a majority of these voters has; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Settled(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    voters: Vec<u64>,
    seen: HashMap<Digest, Instant>,
}

impl Settled {
    /// Those of these blobs of which it is not known.
    pub(crate) fn others(&self, voters: &[u64], digests: &[Digest], now: Instant) -> Vec<Digest> {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |seen: &Instant| now.duration_since(*seen) < BELIEVED;
        let known = |digest: &&Digest| inner.voters == voters && inner.seen.get(digest).is_some_and(is_fresh);
        digests.iter().filter(|digest| !known(digest)).copied().collect()
    }

    /// A majority of these voters has these.
    pub(crate) fn add(&self, voters: Vec<u64>, digests: &[Digest], now: Instant) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of other voters another majority may have them.
        if inner.voters != voters || inner.seen.len() + digests.len() > REMEMBERED {
            *inner = Inner { voters, seen: HashMap::new() };
        }
        let room = REMEMBERED.min(digests.len());
        inner.seen.extend(digests[..room].iter().map(|digest| (*digest, now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_these_voters_had_a_while_ago_is_believed() {
        let (settled, now) = (Settled::default(), Instant::now());
        let [a, b] = [b"a", b"b"].map(|bytes| Digest::of(bytes));
        settled.add(vec![1, 2, 3], &[a], now);
        assert_eq!(settled.others(&[1, 2, 3], &[a, b], now), [b]);
        assert_eq!(settled.others(&[1, 2, 4], &[a, b], now), [a, b], "others vote");
        assert_eq!(settled.others(&[1, 2, 3], &[a], now + BELIEVED), [a], "that was long ago");
        settled.add(vec![1, 2, 4], &[b], now);
        assert_eq!(settled.others(&[1, 2, 4], &[a, b], now), [a]);
        let many: Vec<Digest> = (0..2 * REMEMBERED).map(|at| Digest::of(&at.to_be_bytes())).collect();
        settled.add(vec![1, 2, 4], &many, now);
        assert_eq!(settled.others(&[1, 2, 4], &many, now).len(), REMEMBERED);
    }
}
