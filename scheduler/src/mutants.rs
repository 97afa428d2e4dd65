//! Bugs that can be switched on at run time, in a build with the feature `mutants` alone: each proves that some
//! check of the simulator would find it. Without the feature every question here is the constant `false`.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// An end of a superseded attempt is accepted as that of whatever runs on its node.
    DropFence,
    /// What promises that something is durable leaves before the disk has it.
    AcknowledgeBeforeSync,
    /// A node that is gone still counts against its quota.
    SkipRefund,
    /// A start is applied although its node is not ready any more.
    StartAnywhere,
    /// Neither the planner nor `apply` looks at the quota before a node is asked for.
    IgnoreQuota,
    /// The planner looks at the quota, and `apply` does not look again.
    SkipQuotaCheck,
    /// A vote is not written down.
    ForgetVote,
    /// A new term is not written down.
    ForgetTerm,
    /// One that thinks it leads answers reads without asking the others.
    StaleRead,
    /// Answers to keyed requests are not remembered.
    ForgetKeys,
    /// A run's name that was used is taken again.
    ForgetNames,
    /// What an attempt took on its node is not given back.
    LeakCapacity,
    /// An element of a lost node is not queued again.
    LoseElement,
    /// A client hears that it is done as soon as it is proposed.
    ReplyBeforeCommit,
    /// A leader does not ask workers what they have.
    NeverAttach,
    /// One that was deposed goes on as if it led.
    NeverStepDown,
    /// A snapshot says that it stands one entry earlier than it does.
    SnapshotOffByOne,
    /// The index does not look again at a run that is tried again.
    IndexForgetsRetry,
    /// The index does not look again at a node on which an attempt ended.
    IndexForgetsNode,
    /// A release is decided, and no provider told.
    ForgetRelease,
    /// Every second replica applies an entry's commands in another order.
    DependOnReplica,
    /// A worker may forget an end before it is committed.
    AcknowledgeUncommitted,
    /// A run whose last waiting element is cancelled is not ended.
    CancelForgetsToEnd,
    /// A client whose entry was on its way when leadership was lost hears that it is done.
    ReplyDespiteLoss,
    /// A snapshot takes the state's place, and the index stays.
    KeepOldIndex,
    /// A pool counts a new run twice.
    MiscountOpenRuns,
    /// A program that fails is tried again without end.
    RetryForever,
    /// A node's quota is not carried on when it moves on.
    LoseCharge,
    /// The room that a plan took in the index is not given back to it.
    KeepPlanned,
    /// What waits for the disk is never sent.
    MuteFollower,
    /// A limit is set, and lifting it does nothing.
    KeepLimit,
    /// An array loses its last element.
    ShortArray,
    /// An attempt that was asked to stop is queued again when it is lost.
    RequeueCanceled,
    /// A pool that has a node asks for no further one.
    GrowFromNoneAlone,
    /// The time in which two majorities decide is not ended.
    StayJoint,
    /// One that follows is not let vote.
    NeverPromote,
    /// What starts goes to the emptiest node where it fits, not to the fullest.
    WorstFit,
    /// A node without work is given back at once.
    ReleaseEarly,
    /// What somebody borrows is not passed on to whom it is borrowed from.
    KeepCharge,
    /// What was borrowed and is given back is not passed on.
    KeepRefund,
    /// What somebody never lends is not kept for him.
    LendLocal,
    /// A run that waits for another one is let go however that one ended.
    StartInVain,
    /// One element more than `max_concurrent` runs at once.
    OneMoreAtOnce,
    /// What ran in a workspace still counts for it.
    KeepRunning,
    /// What a team had still counts for it.
    KeepTeamUse,
    /// Teams do not take turns.
    IgnoreShares,
    /// A budget is never used up.
    EndlessBudget,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 47] = [
        Mutant::DropFence,
        Mutant::AcknowledgeBeforeSync,
        Mutant::SkipRefund,
        Mutant::StartAnywhere,
        Mutant::IgnoreQuota,
        Mutant::SkipQuotaCheck,
        Mutant::ForgetVote,
        Mutant::ForgetTerm,
        Mutant::StaleRead,
        Mutant::ForgetKeys,
        Mutant::ForgetNames,
        Mutant::LeakCapacity,
        Mutant::LoseElement,
        Mutant::ReplyBeforeCommit,
        Mutant::NeverAttach,
        Mutant::NeverStepDown,
        Mutant::SnapshotOffByOne,
        Mutant::IndexForgetsRetry,
        Mutant::IndexForgetsNode,
        Mutant::ForgetRelease,
        Mutant::DependOnReplica,
        Mutant::AcknowledgeUncommitted,
        Mutant::CancelForgetsToEnd,
        Mutant::ReplyDespiteLoss,
        Mutant::KeepOldIndex,
        Mutant::MiscountOpenRuns,
        Mutant::RetryForever,
        Mutant::LoseCharge,
        Mutant::KeepPlanned,
        Mutant::MuteFollower,
        Mutant::KeepLimit,
        Mutant::ShortArray,
        Mutant::RequeueCanceled,
        Mutant::GrowFromNoneAlone,
        Mutant::StayJoint,
        Mutant::NeverPromote,
        Mutant::WorstFit,
        Mutant::ReleaseEarly,
        Mutant::KeepCharge,
        Mutant::KeepRefund,
        Mutant::LendLocal,
        Mutant::StartInVain,
        Mutant::OneMoreAtOnce,
        Mutant::KeepRunning,
        Mutant::KeepTeamUse,
        Mutant::IgnoreShares,
        Mutant::EndlessBudget,
    ];
}

impl std::fmt::Display for Mutant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::str::FromStr for Mutant {
    type Err = String;

    fn from_str(name: &str) -> Result<Mutant, String> {
        let known = Mutant::ALL.into_iter().find(|mutant| mutant.to_string().eq_ignore_ascii_case(name));
        known.ok_or_else(|| {
            let names: Vec<String> = Mutant::ALL.iter().map(ToString::to_string).collect();
            format!("no mutant is called {name}; there are {}", names.join(", "))
        })
    }
}

#[cfg(feature = "mutants")]
mod switch {
    use super::Mutant;
    use std::cell::Cell;

    thread_local! {
        static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// Plays `play` with this bug, on this thread.
    pub fn with<T>(mutant: Option<Mutant>, play: impl FnOnce() -> T) -> T {
        struct Restore(Option<Mutant>);
        impl Drop for Restore {
            fn drop(&mut self) {
                ACTIVE.set(self.0);
            }
        }
        let _restore = Restore(ACTIVE.replace(mutant));
        play()
    }

    pub(crate) fn is(mutant: Mutant) -> bool {
        ACTIVE.get() == Some(mutant)
    }
}

#[cfg(feature = "mutants")]
pub(crate) use switch::is;
#[cfg(feature = "mutants")]
pub use switch::with;

/// Whether this bug is switched on.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub(crate) const fn is(_: Mutant) -> bool {
    false
}
