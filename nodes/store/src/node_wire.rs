//! What a controller and a node say to each other on the control stream, once the handshake is done: the
//! core's own messages, and beside them the small content that those refer to, so that it need not be asked
//! for.

use serde::{Deserialize, Serialize};
use tidegate_scheduler::ids::ContentId;
use tidegate_scheduler::message::{FromWorker, Report, ToWorker};

/// From a controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToNode {
    /// A word of the core.
    Say(ToWorker),
    /// A run's specification, sent once a connection, before the first `Start` that names it.
    Body {
        /// Its digest.
        id: ContentId,
        /// The JSON of a command job.
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
}

/// From a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromNode {
    /// A word for the core.
    Say(FromWorker),
    /// `FromWorker::Ended`, with the small blobs that its artifacts refer to: the controller stores them
    /// durably before the core hears of the end. Larger ones were put over a bulk stream before.
    Ended {
        /// The report.
        report: Box<Report>,
        /// Contents of at most `INLINE_BYTES` together.
        blobs: Vec<serde_bytes::ByteBuf>,
    },
}

/// How much content may travel with an `Ended`.
pub const INLINE_BYTES: usize = 256 << 10;

/// What a node says of itself in the handshake's payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHello {
    /// The node's number; must be the one that its certificate names.
    pub node: u64,
}
