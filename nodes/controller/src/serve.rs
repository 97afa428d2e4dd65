//! Serving blobs: those that come with a worker's end, and those on bulk streams of workers and other controllers.

use crate::actors::core::Happened;
use crate::actors::link::Shared;
use crate::replicate::blobs::ReplicatedBlobs;
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use tidegate_scheduler::Input;
use tidegate_scheduler::ids::NodeId;
use tidegate_scheduler::message::{FromWorker, Report};
use tidegate_store::artifacts::Artifacts;
use tidegate_store::wire::{BlobData, BulkReply, BulkRequest, MAX_DATA, MAX_DIGESTS};
use tidegate_store::{BlobStore, Digest, Tree};
use tidegate_transport::bulk::{BulkRecv, BulkSend, BulkStream};
use tidegate_transport::close::CloseCode;
use tidegate_transport::error::BulkError;
use tidegate_transport::link::Link;
use tokio::sync::mpsc;

/// The largest blob that a worker may store, in bytes.
const LARGEST: u64 = 1 << 40;

/// Stores what came with an end, makes sure that all it refers to is there, then tells the core.
pub(crate) fn ended(node: NodeId, report: Box<Report>, blobs: Vec<Vec<u8>>, link: Link, shared: Shared) {
    if blobs.is_empty() && report.artifacts.is_empty() {
        let message = FromWorker::Ended(report);
        return shared.core.do_send(Happened(Input::Worker { node, message }));
    }
    actix_rt::spawn(async move {
        match keep(&report, blobs, &shared.blobs).await {
            Ok(()) => {
                let message = FromWorker::Ended(report);
                shared.core.do_send(Happened(Input::Worker { node, message }));
            }
            Err(error) => {
                tracing::error!(%node, fence = %report.fence, %error, "a run's results cannot be stored");
                // The worker says it again once it has connected anew.
                link.close(CloseCode::Done, "the results of a run could not be stored");
            }
        }
    });
}

async fn keep(report: &Report, blobs: Vec<Vec<u8>>, store: &ReplicatedBlobs) -> Result<(), String> {
    if !blobs.is_empty() {
        let local = store.local().clone();
        let stored = actix_rt::task::spawn_blocking(move || local.put_many(blobs)).await;
        stored.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())?;
    }
    let artifacts = Artifacts::decode(&report.artifacts).map_err(|error| error.to_string())?;
    let mut digests: Vec<Digest> = artifacts.digests().collect();
    if digests.is_empty() {
        return Ok(());
    }
    hold(store, &digests).await?;
    let contents = contents(store.local().clone(), artifacts).await?;
    hold(store, &contents).await?;
    digests.extend(contents);
    // What was put before may have reached this controller alone, and what came with the end has.
    store.spread(&digests).await.map_err(|error| error.to_string())
}

async fn hold(store: &ReplicatedBlobs, digests: &[Digest]) -> Result<(), String> {
    let missing = store.hold(digests.to_vec()).await.map_err(|error| error.to_string())?;
    match missing.first() {
        None => Ok(()),
        Some(digest) => Err(format!("the worker names blob {digest}, which it has not sent")),
    }
}

/// What is in the folders that an attempt has left, which are stored here.
async fn contents(blobs: BlobStore, artifacts: Artifacts) -> Result<Vec<Digest>, String> {
    let read = move || {
        let mut contents = BTreeSet::new();
        for tree in artifacts.default.iter().chain(artifacts.named.iter().map(|(_, tree)| tree)) {
            let bytes = blobs.get(tree).map_err(|error| error.to_string())?;
            let bytes = bytes.ok_or_else(|| format!("folder {tree} is not stored"))?;
            contents.extend(Tree::decode(&bytes).map_err(|error| error.to_string())?.contents());
        }
        Ok(contents.into_iter().collect())
    };
    actix_rt::task::spawn_blocking(read).await.map_err(|panicked| panicked.to_string())?
}

/// Answers the worker's bulk requests until the link closes.
pub(crate) async fn bulk(link: Link, blobs: ReplicatedBlobs) {
    loop {
        match link.accept_bulk::<BulkRequest>().await {
            Ok((request, stream)) => {
                let blobs = blobs.clone();
                actix_rt::spawn(async move {
                    if let Err(error) = answer(request, stream, blobs).await {
                        tracing::debug!(%error, "a bulk request ended early");
                    }
                });
            }
            Err(BulkError::Closed(_)) => return,
            Err(error) => tracing::warn!(%error, "a bulk request was not understood"),
        }
    }
}

/// Answers a worker: what it puts is acknowledged once a majority of controllers has it, and what it asks for may
/// have to come from another one first.
async fn answer(
    request: BulkRequest,
    mut stream: BulkStream,
    blobs: ReplicatedBlobs,
) -> Result<(), BulkError> {
    match request {
        BulkRequest::GetBlob { digest, .. } => {
            if let Ok(true) = is_missing(blobs.local().clone(), digest).await {
                blobs.fetch(digest).await;
            }
        }
        BulkRequest::PutBlob { digest, len } => {
            let mut reply = take_blob(digest, len, blobs.local().clone(), &mut stream.recv).await;
            if reply == BulkReply::Stored
                && let Err(error) = blobs.spread(&[digest]).await
            {
                reply = refused(error);
            }
            stream.send.message(&reply).await?;
            return stream.send.delivered().await;
        }
        BulkRequest::PutSmall { blobs: small } => {
            let small: Vec<Vec<u8>> = small.into_iter().map(|BlobData(bytes)| bytes).collect();
            let reply = blobs.put_many(small).await.map_or_else(refused, |_| BulkReply::Stored);
            stream.send.message(&reply).await?;
            return stream.send.delivered().await;
        }
        BulkRequest::HasBlobs { .. } | BulkRequest::ReadLog { .. } => {}
    }
    answer_locally(request, stream, blobs.local().clone()).await
}

async fn is_missing(blobs: BlobStore, digest: Digest) -> Result<bool, String> {
    let missing = actix_rt::task::spawn_blocking(move || blobs.missing(&[digest]));
    match missing.await {
        Ok(Ok(missing)) => Ok(!missing.is_empty()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}

/// Answers from this controller's own store alone, as other controllers ask it.
pub(crate) async fn answer_locally(
    request: BulkRequest,
    stream: BulkStream,
    blobs: BlobStore,
) -> Result<(), BulkError> {
    let BulkStream { mut send, mut recv } = stream;
    let reply = match request {
        BulkRequest::HasBlobs { digests } if digests.len() <= MAX_DIGESTS => {
            blocking(move || blobs.hold(&digests).map(|digests| BulkReply::MissingBlobs { digests })).await
        }
        BulkRequest::HasBlobs { .. } => refused("too many digests in one request"),
        BulkRequest::GetBlob { digest, offset } => return send_blob(digest, offset, blobs, &mut send).await,
        BulkRequest::PutBlob { digest, len } => take_blob(digest, len, blobs, &mut recv).await,
        BulkRequest::PutSmall { blobs: small } => {
            let small: Vec<Vec<u8>> = small.into_iter().map(|BlobData(bytes)| bytes).collect();
            blocking(move || blobs.put_many(small).map(|_| BulkReply::Stored)).await
        }
        BulkRequest::ReadLog { .. } => refused("a controller has no logs of attempts"),
    };
    send.message(&reply).await?;
    send.delivered().await
}

fn refused(reason: impl ToString) -> BulkReply {
    BulkReply::Refused { reason: reason.to_string() }
}

async fn blocking<E: ToString + Send + 'static>(
    work: impl FnOnce() -> Result<BulkReply, E> + Send + 'static,
) -> BulkReply {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(error)) => refused(error),
        Err(panicked) => refused(panicked),
    }
}

async fn send_blob(
    digest: Digest,
    offset: u64,
    blobs: BlobStore,
    send: &mut BulkSend,
) -> Result<(), BulkError> {
    let (pieces, mut arriving) = mpsc::channel::<BulkReply>(4);
    actix_rt::task::spawn_blocking(move || read_blob(digest, offset, &blobs, &pieces));
    while let Some(piece) = arriving.recv().await {
        send.message(&piece).await?;
    }
    send.delivered().await
}

/// Reads a blob in pieces; ends early when nobody takes them any more.
fn read_blob(digest: Digest, offset: u64, blobs: &BlobStore, pieces: &mpsc::Sender<BulkReply>) {
    let give = |piece| pieces.blocking_send(piece).is_ok();
    let read = || -> Result<(), String> {
        let Some(mut reader) = blobs.open_blob(&digest).map_err(|error| error.to_string())? else {
            give(BulkReply::Missing);
            return Ok(());
        };
        let len = reader.len();
        reader.seek(SeekFrom::Start(offset.min(len))).map_err(|error| error.to_string())?;
        let mut going = give(BulkReply::Found { len });
        let mut left = len.saturating_sub(offset);
        while going && left > 0 {
            let mut piece = vec![0; left.min(MAX_DATA as u64) as usize];
            reader.read_exact(&mut piece).map_err(|error| error.to_string())?;
            left -= piece.len() as u64;
            going = give(BulkReply::Data(BlobData(piece)));
        }
        Ok(())
    };
    if let Err(reason) = read() {
        give(BulkReply::Refused { reason });
    }
}

async fn take_blob(digest: Digest, len: u64, blobs: BlobStore, recv: &mut BulkRecv) -> BulkReply {
    let probe = blobs.clone();
    if let Ok(Ok(missing)) = actix_rt::task::spawn_blocking(move || probe.hold(&[digest])).await
        && missing.is_empty()
    {
        return BulkReply::Stored;
    }
    let (pieces, arriving) = mpsc::channel::<Vec<u8>>(4);
    let reader = Pieces::new(arriving);
    let storing = actix_rt::task::spawn_blocking(move || blobs.put_stream(reader, Some(digest), LARGEST));
    let mut left = len;
    while left > 0 {
        let Ok(BlobData(piece)) = recv.message().await else { break };
        left = left.saturating_sub(piece.len() as u64);
        if piece.is_empty() || pieces.send(piece).await.is_err() {
            break;
        }
    }
    drop(pieces);
    match storing.await {
        Ok(Ok(_)) => BulkReply::Stored,
        Ok(Err(error)) => refused(error),
        Err(panicked) => refused(panicked),
    }
}

/// Pieces that arrive, as a reader on another thread sees them.
pub(crate) struct Pieces {
    arriving: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Pieces {
    pub(crate) fn new(arriving: mpsc::Receiver<Vec<u8>>) -> Pieces {
        Pieces { arriving, piece: Vec::new(), at: 0 }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.piece.len() {
            match self.arriving.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
