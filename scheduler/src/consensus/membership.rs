//! Changes of membership, as entries of the log carry them.

use protobuf::Message as _;
use raft::eraftpb::{ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2};
use serde::{Deserialize, Serialize};

/// One change: all of its steps take effect together, by joint consensus when there is more than one. Without
/// steps it ends the time in which two majorities decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipChange {
    /// What becomes of whom.
    pub steps: Vec<(u64, Role)>,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It votes.
    Voter,
    /// It only follows.
    Learner,
    /// It is no member any more.
    Gone,
}

impl MembershipChange {
    /// Ends the time in which two majorities decide.
    pub fn leave_joint() -> MembershipChange {
        MembershipChange::default()
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        rmp_serde::to_vec(self).expect("a change of membership can be encoded")
    }

    /// Reads what `encode` wrote; nothing at all ends joint consensus, as raft itself proposes it.
    pub(super) fn decode(data: &[u8]) -> MembershipChange {
        match data.is_empty() {
            true => MembershipChange::default(),
            false => rmp_serde::from_slice(data)
                .expect("an entry of the log was written by a member whose format this release knows"),
        }
    }

    pub(super) fn to_raft(&self) -> ConfChangeV2 {
        let mut change = ConfChangeV2::default();
        if !self.steps.is_empty() {
            // Left by a change of ours: raft would not leave it after a change of leader.
            let transition = match self.steps.len() {
                1 => ConfChangeTransition::Auto,
                _ => ConfChangeTransition::Explicit,
            };
            change.set_transition(transition);
        }
        let steps = self.steps.iter().map(|(id, role)| {
            let mut single = ConfChangeSingle::default();
            single.set_change_type(match role {
                Role::Voter => ConfChangeType::AddNode,
                Role::Learner => ConfChangeType::AddLearnerNode,
                Role::Gone => ConfChangeType::RemoveNode,
            });
            single.node_id = *id;
            single
        });
        change.set_changes(steps.collect());
        change
    }

    /// As raft wants to see it when it is proposed; only this member's own bytes are ever read back so.
    pub(super) fn to_proposal(&self) -> Vec<u8> {
        self.to_raft().write_to_bytes().expect("a change of membership can be encoded")
    }
}
