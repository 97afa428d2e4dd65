//! Which of the links to controllers is the leader's.
//!
//! A node is connected with every controller. Whoever begins to lead asks it to attach, with the term of that lead; the
//! link on which it asks is the current one from then on, and all that the node has to say goes there. Terms never
//! repeat, so a leader that was deposed and does not know it yet is told by its lower one.

/// Numbers the links of an agent in the order in which they came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// Whom the node follows.
#[derive(Debug, Default)]
pub(super) struct Leader {
    /// The highest term that was seen. It outlives the link on which it was.
    term: u64,
    current: Option<LinkId>,
}

/// What is to be made of somebody who says that it leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It leads, and did not before: its link is the current one now.
    Follow,
    /// It leads already, and asks once more.
    Again,
    /// It led once; another has led since, in this term.
    Stale {
        /// The highest term that was seen.
        highest: u64,
    },
}

impl Leader {
    /// On this link it is said that its controller leads in `term`.
    pub(super) fn on_attach(&mut self, link: LinkId, term: u64) -> Claim {
        if term < self.term {
            return Claim::Stale { highest: self.term };
        }
        self.term = term;
        match self.current.replace(link) == Some(link) {
            true => Claim::Again,
            false => Claim::Follow,
        }
    }

    /// This link is gone; says whether it was the current one.
    pub(super) fn on_lost(&mut self, link: LinkId) -> bool {
        self.current.take_if(|current| *current == link).is_some()
    }

    /// The link on which the leader is heard and told, if there is one.
    pub(super) fn current(&self) -> Option<LinkId> {
        self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: LinkId = LinkId(1);
    const TWO: LinkId = LinkId(2);
    const THREE: LinkId = LinkId(3);

    #[test]
    fn whoever_leads_in_the_highest_term_is_followed() {
        let mut leader = Leader::default();
        assert_eq!(leader.current(), None);
        assert_eq!(leader.on_attach(ONE, 3), Claim::Follow);
        assert_eq!(leader.on_attach(TWO, 5), Claim::Follow);
        assert_eq!(leader.current(), Some(TWO));
        assert_eq!(leader.on_attach(ONE, 3), Claim::Stale { highest: 5 });
        assert_eq!(leader.on_attach(THREE, 4), Claim::Stale { highest: 5 });
        assert_eq!(leader.current(), Some(TWO));
        assert_eq!(leader.on_attach(ONE, 6), Claim::Follow);
        assert_eq!(leader.current(), Some(ONE));
    }

    #[test]
    fn a_leader_may_ask_again_in_its_term_or_a_later_one_of_its_own() {
        let mut leader = Leader::default();
        assert_eq!(leader.on_attach(ONE, 0), Claim::Follow);
        assert_eq!(leader.on_attach(ONE, 0), Claim::Again);
        assert_eq!(leader.on_attach(ONE, 7), Claim::Again);
        assert_eq!(leader.on_attach(TWO, 6), Claim::Stale { highest: 7 });
    }

    #[test]
    fn a_leader_whose_link_was_lost_is_followed_on_its_next_one() {
        let mut leader = Leader::default();
        leader.on_attach(ONE, 4);
        assert!(leader.on_lost(ONE));
        assert!(!leader.on_lost(ONE));
        assert_eq!(leader.current(), None);
        assert_eq!(leader.on_attach(TWO, 3), Claim::Stale { highest: 4 });
        assert_eq!(leader.current(), None, "a term that was seen counts when its link is gone, too");
        // Its new link may be there before the old one is known to be dead.
        assert_eq!(leader.on_attach(THREE, 4), Claim::Follow);
        assert_eq!(leader.on_attach(TWO, 4), Claim::Follow);
        assert!(!leader.on_lost(THREE));
        assert_eq!(leader.current(), Some(TWO));
    }

    #[test]
    fn the_loss_of_another_link_changes_nothing() {
        let mut leader = Leader::default();
        assert!(!leader.on_lost(ONE));
        leader.on_attach(TWO, 1);
        assert!(!leader.on_lost(ONE));
        assert_eq!(leader.current(), Some(TWO));
    }
}
