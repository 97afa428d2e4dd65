//! Everything that can happen to a core.

use crate::command::ClientCommand;
use crate::ids::{ClientToken, NodeId};
use crate::message::FromWorker;

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input {
    /// Time went by: said at `next_wakeup`, or at any moment.
    Wake,
    /// The write with this number, and all before it, are durable.
    Persisted {
        /// `Persist::number`.
        number: u64,
    },
    /// A snapshot up to this index is durable, and so is history up to it: the log before it may go.
    SnapshotSaved {
        /// The last index in it.
        index: u64,
    },
    /// The disk under the log has no room for new work, and why; or it has again.
    Storage {
        /// Said to clients that submit.
        pressure: Option<String>,
    },
    /// Start nothing more, and give every node back once it has nothing to do.
    Drain {
        /// At once: what still runs goes back into the queue.
        force: bool,
    },
    /// A client asks for something.
    Client {
        /// Comes back in `Effect::Reply`.
        token: ClientToken,
        /// What it asks for.
        command: ClientCommand,
    },
    /// A worker says something.
    Worker {
        /// The node, as its certificate names it.
        node: NodeId,
        /// What it says.
        message: FromWorker,
    },
    /// A worker's connection ended. Silence alone kills nothing.
    WorkerDisconnected {
        /// The node.
        node: NodeId,
    },
    /// A provider says something.
    Provider {
        /// The node.
        node: NodeId,
        /// What happened to it.
        event: ProviderEvent,
    },
}

/// What a provider says of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderEvent {
    /// It is being made.
    Booting,
    /// It could not be made, or it broke.
    Failed {
        /// Why, for people.
        reason: String,
    },
    /// It is no more.
    Gone,
}
