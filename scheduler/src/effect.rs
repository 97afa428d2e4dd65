//! Everything a driver must do. A driver matches all of it, without a wildcard, and decides nothing.

use crate::consensus::{PeerMessage, Persist, SnapshotPoint};
use crate::event::Event;
use crate::ids::{ClientToken, ControllerId, NodeId, RunId};
use crate::message::ToWorker;
use crate::refusal::Refusal;
use crate::state::State;
use crate::version::Unsupported;
use serde::{Deserialize, Serialize};

/// One thing to do.
#[derive(Debug, Serialize)]
pub enum Effect {
    /// Write to the durable log, sync, then answer `Input::Persisted`. Nothing that depends on it has been
    /// let out yet.
    Persist(Persist),
    /// Send to another member, if it is connected; what is lost is sent again.
    SendPeer {
        /// To this one.
        to: u64,
        /// What.
        message: Box<PeerMessage>,
    },
    /// Send the saved snapshot that `message` names, and the message with it; then answer `Input::SnapshotSent`.
    SendSnapshot {
        /// To this member.
        to: u64,
        /// What to say with it.
        message: Box<PeerMessage>,
    },
    /// This member begins to lead: providers are its to drive, and pools must be looked through.
    Lead {
        /// Its term.
        term: u64,
    },
    /// This member ceases to lead: let go of all providers, without ending any node.
    Follow,
    /// The table of controllers, or who is a member, may have changed.
    Members,
    /// A snapshot of another member took the place of the state: history up to this index must be fetched.
    Installed {
        /// The last index in it.
        index: u64,
    },
    /// This member is no longer of the group: it can do nothing more, and should stop.
    Removed,
    /// The cluster is beyond what this member supports: it can do nothing more, and should stop and say why.
    Unsupported(Unsupported),
    /// A linearizable read may look at the state now.
    Readable {
        /// Who asked.
        token: ClientToken,
    },
    /// Send to a node's worker, if it is connected; if not, drop it: it is derived again on attaching.
    SendWorker {
        /// To this node.
        node: NodeId,
        /// What.
        message: ToWorker,
    },
    /// Make this node and keep it, if the provider is not about it already.
    Provision {
        /// Which; what it is made of stands in the state.
        node: NodeId,
    },
    /// Take this node away, then answer `ProviderEvent::Gone`, also if it never was.
    Release {
        /// Which.
        node: NodeId,
    },
    /// Answer a client: what it asked for is durable, or refused.
    Reply {
        /// Who asked.
        token: ClientToken,
        /// What came of it.
        result: Result<Outcome, Refusal>,
    },
    /// Write to history.
    Record(Box<Event>),
    /// Save this snapshot off the core's thread, then answer `Input::SnapshotSaved`.
    Snapshot {
        /// Where it stands in the log.
        point: SnapshotPoint,
        /// A fork: later changes do not reach it.
        #[serde(serialize_with = "as_hash")]
        state: Box<State>,
    },
    /// The durable log up to and with this index is no longer needed.
    Compact {
        /// The last index to drop.
        index: u64,
    },
}

/// Effects are only ever written down to be compared.
fn as_hash<S: serde::Serializer>(state: &State, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(state.hash())
}

/// What came of a client's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A run is queued; `known` says that it was before.
    Submitted {
        /// Its number.
        run: RunId,
        /// The same name and body had been accepted before.
        known: bool,
    },
    /// Cancelling, retrying: how many elements it touched.
    Touched {
        /// How many.
        elements: u64,
    },
    /// A controller may join.
    Controller {
        /// Its number.
        id: ControllerId,
    },
    /// Done.
    Done,
}
