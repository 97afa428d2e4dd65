//! Everything that can happen to a core.

use crate::command::ClientCommand;
use crate::consensus::{PeerMessage, SnapshotPoint};
use crate::controllers::ControllerCard;
use crate::ids::{ClientToken, ControllerId, NodeId, RequestKey};
use crate::loaded::Loaded;
use crate::message::FromWorker;
use serde::{Deserialize, Serialize};

/// One thing that happened outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
        /// Where it stands.
        point: SnapshotPoint,
    },
    /// A snapshot could not be saved.
    SnapshotFailed,
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
        /// The same key, the same answer; a submission's key is its name.
        key: Option<RequestKey>,
        /// What it asks for.
        command: ClientCommand,
    },
    /// Somebody wants to read all that was committed before now.
    Read {
        /// Comes back in `Effect::Readable`.
        token: ClientToken,
    },
    /// Another member says something.
    Peer {
        /// What; its sender is who the connection's certificate names.
        message: Box<PeerMessage>,
    },
    /// Another member cannot be reached just now.
    PeerUnreachable {
        /// Which.
        peer: u64,
    },
    /// A member says where it is; also said once of this one.
    PeerSaid {
        /// Which.
        peer: ControllerId,
        /// Where.
        card: ControllerCard,
    },
    /// A snapshot of another member is durable among this one's.
    SnapshotArrived {
        /// What came with it.
        message: Box<PeerMessage>,
        /// What it holds.
        loaded: Box<Loaded>,
    },
    /// A snapshot went to another member.
    SnapshotSent {
        /// Which.
        to: u64,
        /// Whether it has it.
        delivered: bool,
    },
    /// Give leadership away.
    Transfer {
        /// To this voter; to the one that has come furthest when absent.
        to: Option<ControllerId>,
    },
    /// A worker's connection is up.
    WorkerConnected {
        /// The node, as its certificate names it.
        node: NodeId,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
