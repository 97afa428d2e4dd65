//! What others hold of a controller that runs: ask, read, and watch.

use crate::actors::core::{Ask, CoreActor, DrainAll, LetGo, Read, WhenReady};
use crate::actors::history::{Flush, HistoryActor, Settle};
use crate::disk::DataFolder;
use crate::links::Links;
use actix::Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use tidegate_provider::{Catalogue, LocalSettings};
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::event::Event;
use tidegate_scheduler::ids::{Fence, NodeId};
use tidegate_scheduler::{Core, Outcome, Refusal};
use tidegate_store::wire::{BlobData, BulkReply, BulkRequest, LogStream};
use tidegate_store::{BlobStore, History};
use tidegate_transport::endpoint::Endpoint;
use tokio::sync::{broadcast, oneshot, watch};

/// A controller that runs; clones share it.
#[derive(Clone)]
pub struct Controller(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) core: Addr<CoreActor>,
    pub(crate) history_actor: Addr<HistoryActor>,
    pub(crate) history: History,
    pub(crate) blobs: BlobStore,
    pub(crate) links: Links,
    pub(crate) catalogue: Catalogue,
    pub(crate) folder: PathBuf,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) phases: watch::Sender<u64>,
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

impl Controller {
    /// Waits until it leads and has applied all that came before: until it can answer.
    pub(crate) async fn ready(&self) -> Result<(), Stopping> {
        let (ready, is_ready) = oneshot::channel();
        self.0.core.do_send(WhenReady(ready));
        is_ready.await.map_err(|_| Stopping)
    }

    /// Asks for a change; once this answers `Ok` it is durable.
    pub async fn ask(&self, command: ClientCommand) -> Result<Outcome, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.0.core.do_send(Ask { command, answer });
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
        self.0.core.do_send(Read(read));
        answered.await.map_err(|_| Stopping)
    }

    /// Waits until history holds all that was answered before.
    pub async fn settle_history(&self) -> Result<(), Stopping> {
        self.0.history_actor.send(Settle).await.map_err(|_| Stopping)
    }

    /// The blobs.
    pub fn blobs(&self) -> &BlobStore {
        &self.0.blobs
    }

    /// Run history; may be a moment behind, see [`Controller::settle_history`].
    pub fn history(&self) -> &History {
        &self.0.history
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
        let link = self.0.links.link(node).ok_or(LogUnavailable::NotConnected(node))?;
        let request = BulkRequest::ReadLog { fence: fence.0, stream, offset, follow };
        let stream =
            link.open_bulk(&request).await.map_err(|error| LogUnavailable::Failed(error.to_string()))?;
        Ok(LogTail { stream, ended: false })
    }

    /// Starts nothing more, and waits until every node is given back: once its runs have ended, or at once.
    pub async fn drain(&self, force: bool) {
        let (done, drained) = oneshot::channel();
        self.0.core.do_send(DrainAll { force, done });
        // A core that is gone has nothing left to drain.
        drop(drained.await);
    }

    /// Lets go of nodes and links, in this order, and writes history out.
    pub(crate) async fn stop(&self) {
        let (done, let_go) = oneshot::channel();
        self.0.core.do_send(LetGo(done));
        drop(let_go.await);
        self.0.endpoint.close("the controller is stopping").await;
        match self.0.history_actor.send(Flush).await {
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
