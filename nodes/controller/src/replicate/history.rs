//! History that is missing here since a snapshot took the state's place: copied from another controller, piece by
//! piece.

use crate::actors::history::{CopyNeeded, HistoryActor};
use crate::peers::Peers;
use crate::replicate::blobs::ReplicatedBlobs;
use actix::Addr;
use std::time::Duration;
use tidegate_store::peer_wire::{PeerReply, PeerRequest};
use tidegate_store::{CopyPiece, History, HistoryError};
use tidegate_transport::bulk::BulkStream;
use tokio::io::AsyncReadExt;

/// How long to wait before somebody is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Where a copy is asked for; clones share it.
#[derive(Clone)]
pub(crate) struct Copying {
    history: Addr<HistoryActor>,
}

impl Copying {
    pub(crate) fn new(history: Addr<HistoryActor>) -> Copying {
        Copying { history }
    }

    /// History up to this index must come from another controller.
    pub(crate) fn needed(&self, index: u64) {
        self.history.do_send(CopyNeeded(index));
    }
}

/// Fetches what history refers to and is not here: it came about while this controller was away.
pub(crate) async fn fetch_missing(history: History, blobs: ReplicatedBlobs) {
    loop {
        let of = history.clone();
        let missing = match blocking(move || of.missing_blobs()).await {
            Ok(missing) => missing,
            Err(reason) => return tracing::warn!(%reason, "which blobs are missing cannot be told"),
        };
        let mut fetched = 0;
        for digest in &missing {
            fetched += usize::from(blobs.fetch(*digest).await);
        }
        // What nobody has now is looked for again another time; all that somebody has was found.
        if fetched == 0 {
            return;
        }
        tracing::info!(fetched, "blobs that were missing here were fetched");
    }
}

/// Copies until nothing is missing, from whoever can give it.
pub(crate) async fn copy(history: History, peers: Peers) {
    while history.is_behind() {
        for peer in peers.ids() {
            let Some(link) = peers.link(peer) else { continue };
            let request = PeerRequest::History { cursor: history.copy_cursor() };
            let copied = match link.open_bulk(&request).await {
                Ok(stream) => take(stream, &history).await,
                Err(error) => Err(error.to_string()),
            };
            match copied {
                Ok(()) => tracing::info!(peer, behind = history.is_behind(), "history was copied"),
                Err(reason) => tracing::info!(peer, %reason, "history was not copied to its end"),
            }
            if !history.is_behind() {
                return;
            }
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn take(mut stream: BulkStream, history: &History) -> Result<(), String> {
    loop {
        let reply: PeerReply = stream.recv.message().await.map_err(|error| error.to_string())?;
        reply.check().map_err(|error| error.to_string())?;
        let len = match reply {
            PeerReply::Piece { len } => len,
            PeerReply::Behind => return Err("its own has not come far enough".to_owned()),
            PeerReply::Refused { reason } => return Err(reason),
            other => return Err(format!("an answer that does not fit: {other:?}")),
        };
        let mut bytes = Vec::new();
        let mut body = stream.recv.body(len).await.map_err(|error| error.to_string())?;
        body.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
        let history = history.clone();
        let last = blocking(move || {
            let piece = CopyPiece::decode(&bytes)?;
            history.import(&piece)?;
            Ok::<bool, HistoryError>(piece.is_last())
        });
        if last.await? {
            return Ok(());
        }
    }
}

/// Gives another controller what its history lacks. `complete` is an entry up to which all events are in history.
pub(super) async fn give(
    mut cursor: tidegate_store::CopyCursor,
    complete: u64,
    history: History,
    stream: &mut BulkStream,
) -> Result<(), String> {
    loop {
        let (from, at) = (history.clone(), cursor);
        let piece = match actix_rt::task::spawn_blocking(move || from.export(&at, complete)).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(HistoryError::Behind { .. })) => {
                return stream.send.message(&PeerReply::Behind).await.map_err(|error| error.to_string());
            }
            Ok(Err(error)) => return Err(error.to_string()),
            Err(panicked) => return Err(panicked.to_string()),
        };
        let bytes = piece.encode();
        let len = bytes.len() as u64;
        stream.send.message(&PeerReply::Piece { len }).await.map_err(|error| error.to_string())?;
        stream.send.copy_body(bytes.as_slice(), len).await.map_err(|error| error.to_string())?;
        if piece.is_last() {
            return Ok(());
        }
        cursor = piece.next();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, String> {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}
