//! Election time-outs as a pure function, so that the same history gives the same leader.
//!
//! A tick is 10 ms. A member waits 400 ms and, by its rank in the term, another 80 ms for each rank before
//! it: no two members stand for election at the same moment, and the order changes with the term.

/// Milliseconds of one tick.
pub(super) const TICK_MS: u64 = 10;
/// Ticks between heartbeats: 50 ms.
pub(super) const HEARTBEAT_TICKS: usize = 5;
/// The shortest wait for a leader: 400 ms.
pub(super) const ELECTION_TICKS: usize = 40;
const RANK_TICKS: u64 = 80 / TICK_MS;
/// Beyond so many voters ranks repeat.
const RANKS: u64 = 9;

/// How many ticks member `id` waits for a leader in `term`, among these voters.
pub(super) fn election_ticks(id: u64, term: u64, voters: &[u64]) -> usize {
    let count = (voters.len() as u64).clamp(1, RANKS);
    // Its place among the voters, not its number: numbers are never used again, and leave gaps.
    let place = voters.iter().filter(|voter| **voter < id).count() as u64;
    ELECTION_TICKS + (RANK_TICKS * ((place + term) % count)) as usize
}

/// One more than the longest wait, as raft wants it.
pub(super) fn max_ticks() -> usize {
    ELECTION_TICKS + (RANK_TICKS * RANKS) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_members_wait_equally_long_in_a_term() {
        for voters in [vec![1], vec![1, 2, 3], vec![2, 5, 9, 10, 44]] {
            for term in 0..20 {
                let mut waits: Vec<usize> =
                    voters.iter().map(|id| election_ticks(*id, term, &voters)).collect();
                waits.sort();
                waits.dedup();
                assert_eq!(waits.len(), voters.len());
                assert!(waits.iter().all(|wait| (ELECTION_TICKS..max_ticks()).contains(wait)));
            }
        }
    }
}
