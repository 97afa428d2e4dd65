//! What is to be done, and what comes back from doing it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_scheduler::{
    ids::Fence,
    message::{Assignment, End, FromWorker, Report},
    time::WallMicros,
};

use super::{LinkId, Record};
use crate::keeper::protocol::ToKeeper;

/// What the driver is to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Make an attempt's folder, with everything that its command needs; answered by `on_prepared`, always.
    Prepare(Arc<Assignment>),
    /// Break a preparation off; it is answered all the same.
    CancelPreparing(Fence),
    /// Tell the keeper.
    Order(Arc<ToKeeper>),
    /// Store what an attempt left, and make its report; answered by `on_finished`, always.
    Finish(Box<Finish>),
    /// Speak on this link from now on: its controller leads.
    Follow(LinkId),
    /// Tell the leader.
    Say(FromWorker),
    /// Give the leader a report with its small contents.
    Deliver(Parcel),
    /// The same, from the file in the attempt's folder.
    DeliverFile(Fence),
    /// Call `on_tell` in a moment.
    TellSoon,
    /// Delete an attempt's folder; answered by `on_removed`.
    Remove(Fence),
    /// Stop everything and end this process. With `keep_results`, ends that no controller acknowledged stay on disk.
    Leave {
        /// Nobody asked us to: what was not delivered stays for a later agent.
        keep_results: bool,
    },
}

/// What a preparation made.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The order to start the command.
    pub(crate) start: Arc<ToKeeper>,
    /// What was written down of it.
    pub(crate) record: Arc<Record>,
}

/// Why there is nothing to start.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// How the attempt ends by it.
    pub(crate) end: End,
    /// What was found out before, if anything was.
    pub(crate) record: Option<Arc<Record>>,
}

/// How an attempt came to its end, before anything is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ending {
    pub(crate) end: End,
    /// Zero if the command never started.
    pub(crate) started: WallMicros,
    pub(crate) ended: WallMicros,
    pub(crate) cpu_micros: u64,
    pub(crate) max_rss_kib: u64,
    /// A log grew past its limit: its middle is gone.
    pub(crate) log_cut: bool,
    /// The keeper and the folder would give the same report again.
    pub(crate) can_be_told_again: bool,
}

impl Ending {
    /// The end of an attempt whose command never ran.
    pub(super) fn early(end: End, now: WallMicros) -> Self {
        Self {
            end,
            started: WallMicros(0),
            ended: now,
            cpu_micros: 0,
            max_rss_kib: 0,
            log_cut: false,
            can_be_told_again: false,
        }
    }
}

/// What to make a report of.
#[derive(Debug, Clone)]
pub(crate) struct Finish {
    pub(crate) assignment: Arc<Assignment>,
    /// What was prepared; `None` if it did not come to that.
    pub(crate) record: Option<Arc<Record>>,
    pub(crate) ending: Ending,
    /// What people should know, but for what finishing itself finds.
    pub(crate) notes: Vec<String>,
}

/// A report on its way to the controller, with the small contents that it refers to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) report: Box<Report>,
    pub(crate) blobs: Vec<serde_bytes::ByteBuf>,
}
