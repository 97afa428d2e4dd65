//! Bugs that can be switched on at run time, in a build with the feature `mutants` alone: each proves that some
//! check of the simulator would find it. Without the feature every question here is the constant `false`.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// An end is accepted from an attempt that was superseded.
    DropFence,
    /// What promises that entries are durable leaves before the disk has them.
    AcknowledgeBeforeSync,
    /// A node that is gone still counts against its quota.
    SkipRefund,
    /// `apply` asks for a node without looking at the quota.
    SkipQuotaCheck,
    /// The planner asks for nodes without looking at the quota, and `apply` neither.
    IgnoreQuota,
    /// A vote is not written down.
    ForgetVote,
    /// A leader answers reads without asking the others whether it still leads.
    StaleRead,
    /// Keys of requests are not remembered.
    ForgetKeys,
    /// A name that was used is taken again.
    ForgetNames,
    /// A place on a node is not checked when a start is applied.
    SkipCapacityCheck,
    /// What an attempt took on its node is not given back when it ends.
    LeakCapacity,
    /// An element of a lost node is not queued again.
    LoseElement,
    /// A lost node's elements are queued again, but stay placed as well.
    RequeueTwice,
    /// A client hears of a result before it is committed.
    ReplyBeforeCommit,
    /// A new leader does not ask workers what they have.
    NeverAttach,
    /// A new leader thinks of all silent nodes as lost at once.
    ImpatientLeader,
    /// A leader that was deposed goes on as if it led.
    NeverStepDown,
    /// A snapshot is taken without its last entry.
    SnapshotOffByOne,
    /// The index forgets a run whose element came back.
    IndexForgetsRetry,
    /// The planner forgets a pool that it could not finish.
    ForgetUnfinished,
    /// A node without work is never given back.
    NeverScaleDown,
    /// A release is decided and the provider never told.
    ForgetRelease,
    /// A new leader does not tell the provider of nodes that are on their way.
    ForgetProvision,
    /// A run that ended is started again by a retry that nobody asked for.
    ReviveEnded,
    /// Replicas break ties by their own number.
    DependOnReplica,
    /// A change of membership takes effect before it is durable that it is committed.
    HastyMembership,
    /// An acknowledgement to a worker goes out before the end is committed.
    AcknowledgeUncommitted,
    /// Cancelling an array forgets what waits.
    CancelForgetsQueue,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 28] = [
        Mutant::DropFence,
        Mutant::AcknowledgeBeforeSync,
        Mutant::SkipRefund,
        Mutant::SkipQuotaCheck,
        Mutant::IgnoreQuota,
        Mutant::ForgetVote,
        Mutant::StaleRead,
        Mutant::ForgetKeys,
        Mutant::ForgetNames,
        Mutant::SkipCapacityCheck,
        Mutant::LeakCapacity,
        Mutant::LoseElement,
        Mutant::RequeueTwice,
        Mutant::ReplyBeforeCommit,
        Mutant::NeverAttach,
        Mutant::ImpatientLeader,
        Mutant::NeverStepDown,
        Mutant::SnapshotOffByOne,
        Mutant::IndexForgetsRetry,
        Mutant::ForgetUnfinished,
        Mutant::NeverScaleDown,
        Mutant::ForgetRelease,
        Mutant::ForgetProvision,
        Mutant::ReviveEnded,
        Mutant::DependOnReplica,
        Mutant::HastyMembership,
        Mutant::AcknowledgeUncommitted,
        Mutant::CancelForgetsQueue,
    ];
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
