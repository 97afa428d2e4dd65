//! What happens in a play, besides the faults: the events of its engine.

use crate::network::Place;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::consensus::{PeerMessage, SnapshotPoint};
use tidegate_scheduler::ids::{Fence, NodeId, RequestKey};
use tidegate_scheduler::message::{FromWorker, ToWorker};
use tidegate_scheduler::{Input, Outcome, Refusal};

/// An answer to a client.
pub(crate) type Answer = Result<Outcome, Refusal>;

/// One event.
#[derive(Debug)]
pub(crate) enum Happening {
    /// To a controller; waits while it stands still, and is lost when it is dead.
    Controller { to: u64, what: ToController },
    /// To a machine with a worker on it.
    Machine { machine: u64, what: ToMachine },
    /// Something of the cloud's is due.
    Cloud,
    /// A client's request goes on.
    Request { number: usize, step: RequestStep },
    /// A controller that died starts again.
    Restart { controller: u64 },
    /// A controller that stood still goes on.
    Resume { controller: u64, life: u32 },
    /// One that is no member any more stops.
    Stop { controller: u64, life: u32 },
    /// A client makes its next request.
    Planned { at: usize },
    /// A client that watches reads again.
    Watch,
    /// A fault begins.
    Fault { at: usize },
    /// A fault ends.
    FaultEnds { at: usize },
    /// A second has gone by.
    Second,
}

/// What comes to a controller.
#[derive(Debug)]
pub(crate) enum ToController {
    /// The moment that its core asked for.
    Wake { life: u32 },
    /// A sync is done.
    Synced { life: u32 },
    /// A snapshot of its own is on the disk.
    SnapshotWritten { life: u32 },
    /// An input that its driver makes.
    Say { life: u32, input: Box<Input> },
    /// A message of another one.
    Peer { message: Box<PeerMessage> },
    /// A snapshot of another one has come over.
    SnapshotStream { stream: Box<Stream> },
    /// It is on the disk now.
    SnapshotStored { life: u32, stream: Box<Stream> },
    /// A worker's link is up.
    LinkUp { node: NodeId, machine: u64, link: u64 },
    /// It is gone.
    LinkDown { node: NodeId, machine: u64, link: u64 },
    /// A worker says something.
    Worker { node: NodeId, machine: u64, link: u64, message: Box<FromWorker> },
    /// Its provider looks at what there is.
    Look { life: u32 },
    /// A client asks, or another controller for it.
    Ask { call: Box<Call> },
    /// What the leader answered to a request that was passed on.
    Answered { call: Box<Call>, answer: Box<Answer> },
}

/// A snapshot on its way from one controller to another.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) from: u64,
    pub(crate) from_life: u32,
    pub(crate) to: u64,
    pub(crate) message: PeerMessage,
    pub(crate) point: SnapshotPoint,
    pub(crate) image: Vec<u8>,
}

/// One try of one request, on its way to whoever answers it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) request: usize,
    pub(crate) attempt: u32,
    pub(crate) client: Place,
    /// Who passed it on.
    pub(crate) via: Option<u64>,
    pub(crate) what: CallKind,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum CallKind {
    /// A command.
    Command { key: RequestKey, command: Box<ClientCommand> },
    /// A linearizable read.
    Read,
    /// Give leadership away.
    Transfer { dice: u64 },
}

/// What comes to a machine.
#[derive(Debug)]
pub(crate) enum ToMachine {
    /// A second of its own has gone by.
    Beat,
    /// An attempt goes on.
    Attempt { fence: Fence },
    /// A controller says something.
    Hear { controller: u64, link: u64, message: Box<ToWorker> },
    /// What waits on a link is sent.
    Pump { controller: u64, link: u64, to_controller: bool },
    /// It is there again.
    Back,
    /// It goes on after standing still.
    Resume,
}

/// How a request goes on.
#[derive(Debug)]
pub(crate) enum RequestStep {
    /// It is sent, or sent again.
    Try { attempt: u32 },
    /// An answer arrives at the client.
    Answer { attempt: u32, answer: Box<Answer>, by: u64 },
    /// No answer came.
    TimeOut { attempt: u32 },
}
