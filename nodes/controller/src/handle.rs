//! What others hold of a controller that runs: ask, read, and watch.

use crate::actors::core::{Ask, DrainAll, Happened, LetGo, LongestStep, Read, WhenReadable};
use crate::actors::history::{Flush, Settle};
use crate::actors::link::Shared;
use crate::bundle::{BundleError, JoinBundle};
use crate::disk::DataFolder;
use crate::leadership::Leadership;
use crate::member::Membership;
use crate::replicate::blobs::ReplicatedBlobs;
use crate::replicate::forward::{ForwardError, ForwardHandler, Forwarding};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tidegate_provider::{Catalogue, LocalSettings};
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::event::Event;
use tidegate_scheduler::ids::{ControllerId, Fence, NodeId, RequestKey};
use tidegate_scheduler::{Core, Input, Outcome, Refusal};
use tidegate_store::History;
use tidegate_store::peer_wire::HttpRequest;
use tidegate_store::wire::{BlobData, BulkReply, BulkRequest, LogStream};
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::tls::ClusterCa;
use tokio::sync::{broadcast, oneshot, watch};

/// How long giving leadership away may take.
const TRANSFER: Duration = Duration::from_secs(2);

/// A controller that runs; clones share it.
#[derive(Clone)]
pub struct Controller(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    /// What its links hold too.
    pub(crate) shared: Shared,
    pub(crate) catalogue: Catalogue,
    pub(crate) folder: PathBuf,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) phases: watch::Sender<u64>,
    pub(crate) leadership: watch::Sender<Leadership>,
    pub(crate) ca: Arc<ClusterCa>,
    pub(crate) member: Membership,
    pub(crate) endpoint: Endpoint,
    /// Held for as long as anybody may write.
    pub(crate) lock: DataFolder,
}

/// The controller is stopping, or has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the controller is stopping")]
pub struct Stopping;

/// Why a live log cannot be read.
#[derive(Debug, Error)]
pub enum LogUnavailable {
    /// Its node has no link now.
    #[error("node {0} is not connected now; try again in a moment")]
    NotConnected(NodeId),
    /// Its node has no such log: the attempt was acknowledged, and its log is in the store.
    #[error("its node no longer has this log; it is in the store")]
    Gone,
    /// The node, or the link to it, said so.
    #[error("the log cannot be read from its node: {0}")]
    Failed(String),
}

/// A piece of a live log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPiece {
    /// The next bytes.
    Data(Vec<u8>),
    /// No more for now; `complete` says that there will never be more.
    End {
        /// Bytes that the log has.
        len: u64,
        /// The attempt has ended.
        complete: bool,
    },
}

/// Another controller cannot be let in.
#[derive(Debug, Error)]
pub enum InviteError {
    /// The cluster refuses.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its certificate cannot be made.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// This controller stops.
    #[error(transparent)]
    Stopping(Stopping),
}

impl Controller {
    /// Waits until somebody leads whom this controller knows, and who can answer if it is this one.
    pub(crate) async fn settled(&self) -> Result<(), Stopping> {
        let settled = |now: &Leadership| now.leading || now.leader.is_some_and(|leader| leader != now.own);
        self.leadership().wait_for(settled).await.map(drop).map_err(|_| Stopping)
    }

    /// Who leads, now and whenever it changes.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.leadership.subscribe()
    }

    /// Whose data folder this is.
    pub fn membership(&self) -> &Membership {
        &self.0.member
    }

    /// Returns once this controller's state holds all that was committed, by whichever leader, before this was
    /// called. Waits while nobody leads.
    pub async fn readable(&self) -> Result<(), Stopping> {
        let (readable, is_readable) = oneshot::channel();
        self.0.shared.core.do_send(WhenReadable(readable));
        is_readable.await.map_err(|_| Stopping)
    }

    /// Lets another controller join: gives what it needs. The secret in it is not kept, and an invitation that is lost
    /// is made anew with the same key.
    pub async fn invite(
        &self,
        key: Option<RequestKey>,
        voter: bool,
        replaces: Option<ControllerId>,
    ) -> Result<JoinBundle, InviteError> {
        let id = match self.ask(key, ClientCommand::AddController { voter, replaces }).await? {
            Outcome::Controller { id } => id,
            Outcome::Submitted { .. } | Outcome::Touched { .. } | Outcome::Done => {
                return Err(InviteError::Refused(Refusal::Unavailable("no number was given".to_owned())));
            }
        };
        let table = |core: &Core| -> Vec<(u64, String)> {
            let known = core.state().controllers();
            let known = known.filter(|(_, other)| !other.card.address.is_empty());
            known.map(|(id, other)| (id.0, other.card.address.clone())).collect()
        };
        let peers = self.read(table).await.map_err(InviteError::Stopping)?;
        Ok(JoinBundle::make(&self.0.ca, id.0, self.0.member.founders.clone(), peers)?)
    }

    /// Gives leadership away: to this controller, or to the one that has come furthest. Returns once this one no longer
    /// leads, which may take an election's time; `false` when it still does.
    pub async fn transfer(&self, to: Option<ControllerId>) -> bool {
        let mut leadership = self.leadership();
        if !leadership.borrow().leading {
            return true;
        }
        self.0.shared.core.do_send(Happened(Input::Transfer { to }));
        let given = leadership.wait_for(|now| !now.leading);
        matches!(tokio::time::timeout(TRANSFER, given).await, Ok(Ok(_)))
    }

    /// Passes a client's request on to another controller.
    pub async fn forward(&self, to: ControllerId, head: HttpRequest) -> Result<Forwarding, ForwardError> {
        Forwarding::begin(&self.0.shared.peers, to, head).await
    }

    /// Answers what other controllers pass on; said once.
    pub fn on_forwarded(&self, handler: ForwardHandler) {
        self.0.shared.forwarded.set(handler);
    }

    /// Asks for a change; once this answers `Ok` it is durable on a majority. The same key asks for the same thing again,
    /// and changes nothing a second time.
    pub async fn ask(&self, key: Option<RequestKey>, command: ClientCommand) -> Result<Outcome, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.0.shared.core.do_send(Ask { key, command, answer });
        answered.await.unwrap_or_else(|_| Err(Refusal::Unavailable(Stopping.to_string())))
    }

    /// Reads something off the core, on the core's own thread: it must be short.
    pub async fn read<T, F>(&self, read: F) -> Result<T, Stopping>
    where
        T: Send + 'static,
        F: FnOnce(&Core) -> T + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        // Whoever no longer waits for the answer does not need it.
        let read = Box::new(move |core: &Core| drop(answer.send(read(core))));
        self.0.shared.core.do_send(Read(read));
        answered.await.map_err(|_| Stopping)
    }

    /// The longest that the core was at work on one input, effects handed on included, since this was last asked.
    pub async fn longest_step(&self) -> Result<Duration, Stopping> {
        self.0.shared.core.send(LongestStep).await.map_err(|_| Stopping)
    }

    /// Waits until history holds all that was answered before; `false` when it cannot now: its disk is full, or what
    /// came before is being copied.
    pub async fn settle_history(&self) -> Result<bool, Stopping> {
        self.0.shared.history.send(Settle).await.map_err(|_| Stopping)
    }

    /// The blobs, as controllers keep them together.
    pub fn blobs(&self) -> &ReplicatedBlobs {
        &self.0.shared.blobs
    }

    /// Run history; may be a moment behind, see [`Controller::settle_history`].
    pub fn history(&self) -> &History {
        &self.0.shared.kept
    }

    /// The VM sizes that pools may have.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// A pool's provider settings, checked by the provider's own rules and written out whole; nothing given
    /// stands for its defaults. What is wrong is said in words.
    pub fn provider_settings(&self, given: &[u8]) -> Result<Vec<u8>, String> {
        LocalSettings::parse(given).map(|settings| settings.to_json()).map_err(|error| error.to_string())
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// What happens from now on, in order, each once it is durable. A reader that is slow misses some and is
    /// told so.
    pub fn watch_events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.events.subscribe()
    }

    /// Changes whenever a worker says how far a run has come.
    pub fn watch_phases(&self) -> watch::Receiver<u64> {
        self.0.phases.subscribe()
    }

    /// The log of an attempt that is on a node, read there.
    pub async fn read_log(
        &self,
        node: NodeId,
        fence: Fence,
        stream: LogStream,
        offset: u64,
        follow: bool,
    ) -> Result<LogTail, LogUnavailable> {
        let link = self.0.shared.links.link(node).ok_or(LogUnavailable::NotConnected(node))?;
        let request = BulkRequest::ReadLog { fence: fence.0, stream, offset, follow };
        let stream =
            link.open_bulk(&request).await.map_err(|error| LogUnavailable::Failed(error.to_string()))?;
        Ok(LogTail { stream, ended: false })
    }

    /// Starts nothing more, and waits until every node is given back: once its runs have ended, or at once.
    pub async fn drain(&self, force: bool) {
        let (done, drained) = oneshot::channel();
        self.0.shared.core.do_send(DrainAll { force, done });
        // A core that is gone has nothing left to drain.
        drop(drained.await);
    }

    /// Gives leadership away if somebody can take it, lets go of nodes and links, and writes history out.
    pub(crate) async fn stop(&self) {
        let alone = |core: &Core| core.members().is_alone(core.id().0);
        if let Ok(false) = self.read(alone).await
            && !self.transfer(None).await
        {
            tracing::warn!("nobody took leadership over");
        }
        let (done, let_go) = oneshot::channel();
        self.0.shared.core.do_send(LetGo(done));
        drop(let_go.await);
        self.0.shared.peers.close();
        self.0.endpoint.close("the controller is stopping").await;
        match self.0.shared.history.send(Flush(None)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "run history could not be written out"),
            Err(error) => tracing::warn!(%error, "run history is gone"),
        }
        tracing::debug!(folder = %self.0.lock.path().display(), "the data folder is let go");
    }
}

/// A log that is being read from its node.
#[derive(Debug)]
pub struct LogTail {
    stream: tidegate_transport::bulk::BulkStream,
    ended: bool,
}

impl LogTail {
    /// The next piece; `None` after `LogPiece::End`.
    pub async fn next(&mut self) -> Option<Result<LogPiece, LogUnavailable>> {
        if self.ended {
            return None;
        }
        let piece = match self.stream.recv.message::<BulkReply>().await {
            Ok(BulkReply::Data(BlobData(bytes))) => return Some(Ok(LogPiece::Data(bytes))),
            Ok(BulkReply::LogEnd { len, complete }) => Ok(LogPiece::End { len, complete }),
            Ok(BulkReply::Missing) => Err(LogUnavailable::Gone),
            Ok(BulkReply::Refused { reason }) => Err(LogUnavailable::Failed(reason)),
            Ok(other) => Err(LogUnavailable::Failed(format!("an answer that does not fit: {other:?}"))),
            Err(error) => Err(LogUnavailable::Failed(error.to_string())),
        };
        self.ended = true;
        Some(piece)
    }
}
