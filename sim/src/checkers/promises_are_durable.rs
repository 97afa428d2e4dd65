//! Nothing leaves a controller before what it promises is durable: a vote, entries that were taken in, the term that a
//! candidate stands in; and a worker is told to forget an end only once it is committed.

use crate::controller::Controller;
use std::collections::BTreeSet;
use tidegate_scheduler::consensus::{PeerMessage, PeerMessageKind};
use tidegate_scheduler::ids::Fence;

/// A message to another controller leaves.
pub(crate) fn message(from: &Controller, message: &PeerMessage, found: &mut Vec<String>) {
    let id = from.member.id;
    let synced = from.disk.hard_state();
    let mut broken = |what: String| {
        found.push(format!(
            "promises are durable: controller {id} {what}, but has synced {synced:?} and entries up to {}",
            from.disk.last()
        ));
    };
    let PeerMessage { kind, term, to, index, reject, .. } = message;
    let voted = |whom| synced.term > *term || (synced.term == *term && synced.vote == whom);
    match kind {
        PeerMessageKind::RequestVoteResponse if !reject && !voted(*to) => {
            broken(format!("votes for {to} in term {term}"));
        }
        PeerMessageKind::RequestVote if !voted(id) => broken(format!("stands for election in term {term}")),
        PeerMessageKind::AppendResponse if !reject && (from.disk.last() < *index || synced.term < *term) => {
            broken(format!("acknowledges entry {index} in term {term}"));
        }
        _ => {}
    }
}

/// A worker is told to forget an attempt.
pub(crate) fn acknowledgement(id: u64, fence: Fence, settled: &BTreeSet<Fence>, found: &mut Vec<String>) {
    if !settled.contains(&fence) {
        found.push(format!(
            "promises are durable: controller {id} lets a worker forget {fence}, whose end no committed entry has"
        ));
    }
}
