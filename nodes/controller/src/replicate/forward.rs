//! Requests of clients that another controller answers: their heads and bodies travel on a bulk stream.

use crate::actors::link::Shared;
use crate::peers::Peers;
use futures_util::future::BoxFuture;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use thiserror::Error;
use tidegate_scheduler::ids::ControllerId;
use tidegate_store::peer_wire::{HttpPart, HttpRequest, HttpResponse, PeerReply, PeerRequest};
use tidegate_store::wire::{BlobData, MAX_DATA};
use tidegate_transport::bulk::{BulkRecv, BulkSend, BulkStream};
use tidegate_transport::error::BulkError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A request could not be answered by another controller.
#[derive(Debug, Error)]
pub enum ForwardError {
    /// There is no link to it.
    #[error("controller {0} is not connected")]
    NotConnected(ControllerId),
    /// Too many clients' requests are under way from here.
    #[error("{MOST} requests of this controller's clients are being answered by others already")]
    Crowded,
    /// The link broke, or the other side broke off.
    #[error("the other controller cannot be heard any more: {0}")]
    Broken(String),
    /// It does not lead either; nothing was done.
    #[error("that controller does not lead")]
    NotLeading,
    /// It refuses.
    #[error("the other controller refuses: {0}")]
    Refused(String),
}

impl From<BulkError> for ForwardError {
    fn from(error: BulkError) -> Self {
        ForwardError::Broken(error.to_string())
    }
}

/// How many requests of clients may be under way to other controllers: fewer than there are streams to any of them, which
/// snapshots, blobs and history need too.
const MOST: usize = 1024;
/// How long one more waits for one of them to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many more requests may go out; clones share it.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Room {
        Room(Arc::new(Semaphore::new(MOST)))
    }
}

impl Room {
    async fn one_more(&self) -> Result<OwnedSemaphorePermit, ForwardError> {
        match tokio::time::timeout(PATIENCE, self.0.clone().acquire_owned()).await {
            Ok(Ok(counted)) => Ok(counted),
            Ok(Err(_)) | Err(_) => Err(ForwardError::Crowded),
        }
    }
}

/// A body that goes out, in pieces.
pub struct BodyOut(BulkSend);

impl BodyOut {
    /// Sends some bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), ForwardError> {
        for piece in bytes.chunks(MAX_DATA) {
            self.0.message(&HttpPart::Data(BlobData(piece.to_vec()))).await?;
        }
        Ok(())
    }

    /// That was all.
    pub async fn end(mut self) -> Result<(), ForwardError> {
        self.0.message(&HttpPart::End).await?;
        self.0.finish()?;
        Ok(())
    }

    /// That was not all, and there will be no more.
    pub async fn break_off(mut self, reason: String) -> Result<(), ForwardError> {
        self.0.message(&HttpPart::Broken { reason }).await?;
        self.0.finish()?;
        Ok(())
    }
}

/// A body that comes in, in pieces.
pub struct BodyIn {
    recv: BulkRecv,
    ended: bool,
    /// Of a request that went out from here.
    _counted: Option<OwnedSemaphorePermit>,
}

impl BodyIn {
    /// The next bytes; `None` once the body is whole.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ForwardError>> {
        if self.ended {
            return None;
        }
        let part: Result<HttpPart, BulkError> = self.recv.message().await;
        match part {
            Ok(HttpPart::Data(BlobData(bytes))) => return Some(Ok(bytes)),
            Ok(HttpPart::End) => self.ended = true,
            Ok(HttpPart::Broken { reason }) => {
                self.ended = true;
                return Some(Err(ForwardError::Broken(reason)));
            }
            Err(error) => {
                self.ended = true;
                return Some(Err(error.into()));
            }
        }
        None
    }
}

/// A request that another controller is to answer.
pub struct Forwarding {
    /// Its body.
    pub body: BodyOut,
    recv: BulkRecv,
    counted: OwnedSemaphorePermit,
}

impl Forwarding {
    pub(crate) async fn begin(
        peers: &Peers,
        to: ControllerId,
        head: HttpRequest,
    ) -> Result<Forwarding, ForwardError> {
        let link = peers.link(to.0).ok_or(ForwardError::NotConnected(to))?;
        let request = PeerRequest::Http(head);
        request.check().map_err(|over| ForwardError::Refused(over.to_string()))?;
        let counted = peers.forwarding().one_more().await?;
        let BulkStream { send, recv } = link.open_bulk(&request).await?;
        Ok(Forwarding { body: BodyOut(send), recv, counted })
    }

    /// Where the body goes, and where the answer comes from: they may be used at the same time.
    pub fn split(self) -> (BodyOut, Answering) {
        (self.body, Answering(self.recv, self.counted))
    }
}

/// The answer that another controller gives.
pub struct Answering(BulkRecv, OwnedSemaphorePermit);

impl Answering {
    /// Its head, and then its body.
    pub async fn head(mut self) -> Result<(HttpResponse, BodyIn), ForwardError> {
        let reply: PeerReply = self.0.message().await?;
        reply.check().map_err(|over| ForwardError::Broken(over.to_string()))?;
        match reply {
            PeerReply::Head(head) => {
                Ok((head, BodyIn { recv: self.0, ended: false, _counted: Some(self.1) }))
            }
            PeerReply::NotLeading => Err(ForwardError::NotLeading),
            PeerReply::Refused { reason } => Err(ForwardError::Refused(reason)),
            other => Err(ForwardError::Broken(format!("an answer that does not fit: {other:?}"))),
        }
    }
}

/// A request that another controller has passed on to this one.
pub struct Forwarded {
    /// Who passed it on.
    pub from: ControllerId,
    /// Its head.
    pub head: HttpRequest,
    /// Its body.
    pub body: BodyIn,
    /// Where the answer goes.
    pub reply: Replying,
}

/// Where the answer to a forwarded request goes.
pub struct Replying(BulkSend);

impl Replying {
    /// Returns once nobody waits for the answer any more.
    pub fn left(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.left()
    }

    /// The answer's head; its body follows.
    pub async fn head(mut self, head: HttpResponse) -> Result<BodyOut, ForwardError> {
        self.0.message(&PeerReply::Head(head)).await?;
        Ok(BodyOut(self.0))
    }

    /// This controller does not lead; nothing was done.
    pub async fn not_leading(mut self) -> Result<(), ForwardError> {
        self.0.message(&PeerReply::NotLeading).await?;
        self.0.delivered().await?;
        Ok(())
    }

    /// It cannot be answered.
    pub async fn refuse(mut self, reason: String) -> Result<(), ForwardError> {
        self.0.message(&PeerReply::Refused { reason }).await?;
        self.0.delivered().await?;
        Ok(())
    }
}

/// Answers forwarded requests.
pub type ForwardHandler = Arc<dyn Fn(Forwarded) -> BoxFuture<'static, ()> + Send + Sync>;

/// Where the handler is put once there is one; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Handler(Arc<OnceLock<ForwardHandler>>);

impl Handler {
    pub(crate) fn set(&self, handler: ForwardHandler) {
        // The first stands: a controller has one gateway.
        drop(self.0.set(handler));
    }
}

pub(super) async fn take(
    from: ControllerId,
    head: HttpRequest,
    stream: BulkStream,
    shared: &Shared,
) -> Result<(), BulkError> {
    let BulkStream { send, recv } = stream;
    let reply = Replying(send);
    match shared.forwarded.0.get() {
        Some(handler) => {
            let body = BodyIn { recv, ended: false, _counted: None };
            handler(Forwarded { from, head, body, reply }).await;
            Ok(())
        }
        None => match reply.refuse("this controller has no HTTP server".to_owned()).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::debug!(%error, "a forwarded request was not answered");
                Ok(())
            }
        },
    }
}
