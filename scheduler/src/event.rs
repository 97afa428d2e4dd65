//! What happened, for history: a projection of the log, told by `apply` in order.

use crate::command::{QuotaKey, ReleaseReason, RunLimits, Submit};
use crate::ids::{Fence, NodeId, RunId, Slot};
use crate::message::Report;
use crate::state::quota::Allowance;
use crate::state::runs::Band;
use crate::time::WallMicros;
use serde::{Deserialize, Serialize};

/// One thing that happened, with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The entry that made it happen; events of one entry come in order.
    pub index: u64,
    /// The leader's wall clock in that entry.
    pub wall: WallMicros,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// A run was accepted.
    Submitted {
        /// Its number.
        run: RunId,
        /// The pool it was queued for.
        pool: String,
        /// All else, the body included.
        submit: Box<Submit>,
    },
    /// An attempt was placed on a node.
    Started {
        /// The element.
        slot: Slot,
        /// The attempt.
        fence: Fence,
        /// The node.
        node: NodeId,
        /// Which try, from 1.
        attempt: u32,
    },
    /// An attempt ended and was accepted as the element's result.
    Ended {
        /// The element.
        slot: Slot,
        /// The node.
        node: NodeId,
        /// Which try, from 1.
        attempt: u32,
        /// The element's last state.
        ending: Ending,
        /// All that the worker said.
        report: Box<Report>,
    },
    /// An attempt ended without a result, and its element was queued again.
    Requeued {
        /// The element.
        slot: Slot,
        /// The attempt.
        fence: Fence,
        /// Why.
        reason: String,
        /// What the worker said, if it did.
        report: Option<Box<Report>>,
    },
    /// An element, or a range of them, ended without an attempt's result.
    Canceled {
        /// The run.
        run: RunId,
        /// The elements `from..to`.
        from: u32,
        /// One past the last.
        to: u32,
    },
    /// An element failed although no attempt of it ended: the system lost it too often.
    Abandoned {
        /// The element.
        slot: Slot,
        /// Why.
        reason: String,
    },
    /// All elements of a run have ended.
    RunEnded {
        /// The run.
        run: RunId,
        /// Its last state.
        ending: Ending,
    },
    /// A run it waits for ended otherwise than it must: it is cancelled.
    PrerequisiteNotMet {
        /// The run.
        run: RunId,
        /// The one that ended.
        after: RunId,
    },
    /// A run has waited for long and rises.
    Promoted {
        /// The run.
        run: RunId,
        /// The band that it is in now.
        band: Band,
    },
    /// How many runs a workspace may have was set.
    WorkspaceSet {
        /// Its name.
        workspace: String,
        /// So many.
        limits: RunLimits,
    },
    /// Elements that had ended were queued again because a client asked.
    Retried {
        /// The run.
        run: RunId,
        /// One element; all that did not complete when absent.
        element: Option<u32>,
    },
    /// Cancelling was asked for.
    CancelRequested {
        /// The run.
        run: RunId,
        /// One element; all when absent.
        element: Option<u32>,
    },
    /// A pool was made or changed.
    PoolApplied {
        /// Its workspace.
        workspace: String,
        /// Its name.
        pool: String,
    },
    /// A pool is gone.
    PoolDeleted {
        /// Its workspace.
        workspace: String,
        /// Its name.
        pool: String,
    },
    /// An allowance was set or lifted.
    QuotaSet {
        /// Whose.
        key: QuotaKey,
        /// `None` when it was lifted.
        allowance: Option<Allowance>,
    },
    /// A node went on to another phase.
    Node {
        /// The node.
        node: NodeId,
        /// Its pool's name.
        pool: String,
        /// What it did.
        change: NodeChange,
    },
    /// Runs were dropped: history drops them too.
    Forgotten {
        /// Which.
        runs: Vec<RunId>,
    },
}

/// What a node did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeChange {
    /// Asked for.
    Requested,
    /// Its worker attached.
    Ready,
    /// It broke, or could not be made.
    Failed {
        /// Why.
        reason: String,
    },
    /// Silent for too long.
    Lost,
    /// Being given back.
    Released {
        /// Why.
        reason: ReleaseReason,
    },
    /// No more.
    Gone,
}

/// The last state of a run or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ending {
    /// It did what it should.
    Completed,
    /// It did not.
    Failed,
    /// Somebody ended it.
    Canceled,
}
