//! One connection with one peer: two ordered streams of messages each way, and bulk streams beside them.
//!
//! Consensus goes before control, and control before bulk, whenever the network is the bottleneck. Each stream has
//! its own flow control, so that a receiver that lets one wait does not hold up the others.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Mutex, mpsc};

use crate::{
    bulk::{self, BulkStream},
    close::{CloseCode, CloseReason},
    config::{Config, FrameLimits},
    error::{BulkError, RecvError, SendError},
    frame,
    hello::Hello,
    tls::PeerId,
};

mod inbox;
mod outbox;
pub(crate) mod setup;

use inbox::Inbox;
use outbox::{Outbox, Push};

/// The kind of a message stream: each is ordered in itself, and independent of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What the replicas of the log say to each other.
    Consensus,
    /// Everything else that is small.
    Control,
}

impl Class {
    const ALL: [Self; 2] = [Self::Consensus, Self::Control];

    fn index(self) -> usize {
        match self {
            Self::Consensus => 0,
            Self::Control => 1,
        }
    }

    /// The byte that opens a stream of this class.
    fn tag(self) -> u8 {
        match self {
            Self::Consensus => b'C',
            Self::Control => b'M',
        }
    }

    /// QUIC sends waiting data of a higher priority first; bulk has 0.
    fn priority(self) -> i32 {
        match self {
            Self::Consensus => 2,
            Self::Control => 1,
        }
    }

    fn max_frame(self, limits: &FrameLimits) -> usize {
        match self {
            Self::Consensus => limits.consensus,
            Self::Control => limits.control,
        }
    }
}

/// A connection with one peer. Clones share it; when the last is dropped the connection is closed, and what was
/// not sent yet is lost (see [`Link::shutdown`]).
#[derive(Clone)]
pub struct Link(Arc<Inner>);

struct Inner {
    connection: quinn::Connection,
    peer: PeerId,
    hello: Hello,
    protocol: u32,
    limits: FrameLimits,
    outboxes: [Arc<Outbox>; 2],
    inboxes: [Inbox; 2],
    bulk: Mutex<mpsc::Receiver<Result<bulk::Incoming, BulkError>>>,
    closed_here: OnceLock<(CloseCode, String)>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Link({} at {})", self.0.peer, self.remote_addr())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for outbox in &self.outboxes {
            outbox.abandon();
        }
        self.connection.close(CloseCode::Done.to_wire(), b"link dropped");
    }
}

impl Link {
    /// Who the peer is, by its certificate.
    pub fn peer(&self) -> &PeerId {
        &self.0.peer
    }

    /// What the peer said first: its build and the payload of its configuration.
    pub fn hello(&self) -> &Hello {
        &self.0.hello
    }

    /// The version of the protocol that both sides agreed on.
    pub fn protocol(&self) -> u32 {
        self.0.protocol
    }

    /// Where the peer is now; it can change while the link lives.
    pub fn remote_addr(&self) -> SocketAddr {
        self.0.connection.remote_address()
    }

    /// The measured round trip.
    pub fn rtt(&self) -> Duration {
        self.0.connection.rtt()
    }

    /// Sends a message, after all sent before on the same class. Waits while the queue is full. That it returns
    /// says that the message waits to be sent, not that the peer has it.
    ///
    /// Dropped before it is done, it has sent nothing.
    ///
    /// # Errors
    ///
    /// The message is too large or cannot be encoded (the link goes on), or the link has closed.
    pub async fn send<T: Serialize + ?Sized>(&self, class: Class, message: &T) -> Result<(), SendError> {
        let frame = frame::encode(message, class.max_frame(&self.0.limits))?;
        match self.0.outboxes[class.index()].push(&frame).await {
            true => Ok(()),
            false => Err(SendError::Closed(self.reason())),
        }
    }

    /// As [`Link::send`], without waiting.
    ///
    /// # Errors
    ///
    /// As [`Link::send`]; and [`SendError::Full`].
    pub fn try_send<T: Serialize + ?Sized>(&self, class: Class, message: &T) -> Result<(), SendError> {
        let frame = frame::encode(message, class.max_frame(&self.0.limits))?;
        match self.0.outboxes[class.index()].try_push(&frame) {
            Push::Taken => Ok(()),
            Push::Full => Err(SendError::Full),
            Push::Closed => Err(SendError::Closed(self.reason())),
        }
    }

    /// The next message of a class. Loses nothing when dropped before it is done.
    ///
    /// # Errors
    ///
    /// The link has closed or the peer has finished; or the bytes are no message of this type or too large, and
    /// then the link is closed, for the peer is not one that we understand.
    pub async fn recv<T: DeserializeOwned>(&self, class: Class) -> Result<T, RecvError> {
        let received = self.0.inboxes[class.index()].recv().await;
        received.map_err(|error| self.refuse(error))
    }

    /// As [`Link::recv`], appending to `into` one message or more, as many as have arrived, at most `max`. Returns
    /// how many.
    ///
    /// # Errors
    ///
    /// As [`Link::recv`]; messages appended before the error are valid.
    pub async fn recv_many<T: DeserializeOwned>(
        &self,
        class: Class,
        into: &mut Vec<T>,
        max: usize,
    ) -> Result<usize, RecvError> {
        let received = self.0.inboxes[class.index()].recv_many(into, max).await;
        received.map_err(|error| self.refuse(error))
    }

    /// Opens a stream of its own for one request. Waits while as many as the peer allows are open.
    ///
    /// # Errors
    ///
    /// The request is too large or cannot be encoded, or the link has closed.
    pub async fn open_bulk<R: Serialize + ?Sized>(&self, request: &R) -> Result<BulkStream, BulkError> {
        bulk::open(&self.0.connection, request, self.0.limits.bulk).await.map_err(|error| self.explain(error))
    }

    /// The next request that the peer has opened a stream for, in the order in which they were complete.
    ///
    /// # Errors
    ///
    /// The link has closed ([`BulkError::Closed`]: there will be no more); or one request was at fault, and its
    /// stream is given up while the link goes on.
    pub async fn accept_bulk<R: DeserializeOwned>(&self) -> Result<(R, BulkStream), BulkError> {
        match self.0.bulk.lock().await.recv().await {
            Some(incoming) => incoming?.decode(),
            None => Err(BulkError::Closed(self.reason())),
        }
    }

    /// Closes at once; what waits to be sent is lost.
    pub fn close(&self, code: CloseCode, reason: &str) {
        // The first reason stands, as it does with the peer.
        let _first = self.0.closed_here.set((code, reason.to_owned()));
        self.0.connection.close(code.to_wire(), reason.as_bytes());
    }

    /// Takes no more messages, waits until the peer has all that were sent, and closes. `false` when the link was
    /// lost before that, or `deadline` has passed.
    pub async fn shutdown(&self, code: CloseCode, reason: &str, deadline: Duration) -> bool {
        let [consensus, control] = &self.0.outboxes;
        let finish = async { tokio::join!(consensus.finish(), control.finish()) };
        let delivered = matches!(tokio::time::timeout(deadline, finish).await, Ok((true, true)));
        self.close(code, reason);
        delivered
    }

    /// Waits until the link has closed, and says why.
    pub async fn closed(&self) -> CloseReason {
        let error = self.0.connection.closed().await;
        self.explain_loss(error)
    }

    /// Why the link has closed, if it has.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.0.connection.close_reason().map(|error| self.explain_loss(error))
    }

    fn explain_loss(&self, error: quinn::ConnectionError) -> CloseReason {
        match (error, self.0.closed_here.get()) {
            (quinn::ConnectionError::LocallyClosed, Some((code, reason))) => {
                CloseReason::Here { code: *code, reason: reason.clone() }
            }
            (error, _) => error.into(),
        }
    }

    /// Why a stream of ours has ended.
    fn reason(&self) -> CloseReason {
        self.close_reason().unwrap_or_else(|| CloseReason::Here {
            code: CloseCode::Shutdown,
            reason: "the link is shutting down".into(),
        })
    }

    fn refuse(&self, error: RecvError) -> RecvError {
        match error {
            RecvError::Frame(frame) => {
                self.close(CloseCode::Violation, &frame.to_string());
                RecvError::Frame(frame)
            }
            RecvError::Closed(reason) => RecvError::Closed(self.close_reason().unwrap_or(reason)),
            RecvError::Finished => RecvError::Finished,
        }
    }

    fn explain(&self, error: BulkError) -> BulkError {
        match error {
            BulkError::Closed(reason) => BulkError::Closed(self.close_reason().unwrap_or(reason)),
            error => error,
        }
    }
}
