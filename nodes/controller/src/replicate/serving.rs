//! Answering what other controllers ask on bulk streams.

use super::{forward, history, snapshots};
use crate::actors::core::Read;
use crate::actors::history::Settle;
use crate::actors::link::Shared;
use crate::serve;
use tidegate_scheduler::ids::ControllerId;
use tidegate_store::peer_wire::{ListedBlob, MAX_LISTED, PeerReply, PeerRequest};
use tidegate_store::{BlobStore, Digest};
use tidegate_transport::bulk::BulkStream;
use tidegate_transport::error::BulkError;
use tidegate_transport::link::Link;
use tokio::sync::oneshot;

/// Answers until the link closes.
pub(crate) async fn serve(id: ControllerId, link: Link, shared: Shared) {
    loop {
        match link.accept_bulk::<PeerRequest>().await {
            Ok((request, stream)) => {
                let shared = shared.clone();
                actix_rt::spawn(async move {
                    if let Err(error) = answer(id, request, stream, shared).await {
                        tracing::debug!(controller = %id, %error, "a controller's request ended early");
                    }
                });
            }
            Err(BulkError::Closed(_)) => return,
            Err(error) => {
                tracing::warn!(controller = %id, %error, "a controller's request was not understood")
            }
        }
    }
}

async fn answer(
    id: ControllerId,
    request: PeerRequest,
    mut stream: BulkStream,
    shared: Shared,
) -> Result<(), BulkError> {
    let done = match request.check() {
        Err(over) => Err(over.to_string()),
        Ok(()) => match request {
            PeerRequest::Blobs(request) => {
                return serve::answer_locally(request, stream, shared.blobs.local().clone()).await;
            }
            PeerRequest::ListBlobs { after, limit } => {
                let listed = list(shared.blobs.local().clone(), after, limit.min(MAX_LISTED)).await;
                match listed {
                    Ok(reply) => stream.send.message(&reply).await.map_err(|error| error.to_string()),
                    Err(reason) => Err(reason),
                }
            }
            PeerRequest::History { cursor } => match complete(&shared).await {
                Some(complete) => history::give(cursor, complete, shared.kept.clone(), &mut stream).await,
                None => Err("this controller is stopping".to_owned()),
            },
            PeerRequest::Snapshot { message, len, digest } => {
                let taken = snapshots::take(id.0, &message, len, digest, &mut stream, &shared).await;
                match taken {
                    Ok(()) => {
                        stream.send.message(&PeerReply::Stored).await.map_err(|error| error.to_string())
                    }
                    Err(reason) => Err(reason),
                }
            }
            PeerRequest::Http(head) => return forward::take(id, head, stream, &shared).await,
        },
    };
    if let Err(reason) = done {
        tracing::warn!(controller = %id, %reason, "a controller's request was refused");
        stream.send.message(&PeerReply::Refused { reason }).await?;
    }
    stream.send.delivered().await
}

/// An entry of which, and of all before, history holds every event.
async fn complete(shared: &Shared) -> Option<u64> {
    let (told, applied) = oneshot::channel();
    // Whoever no longer waits does not need it.
    let read = Box::new(move |core: &tidegate_scheduler::Core| {
        let _gone = told.send(core.state().applied());
    });
    shared.core.do_send(Read(read));
    let applied = applied.await.ok()?;
    // What waits to be written is not in history, whatever the state has come to.
    shared.history.send(Settle).await.ok()?.then_some(applied)
}

async fn list(blobs: BlobStore, after: Option<Digest>, limit: u32) -> Result<PeerReply, String> {
    let listed = actix_rt::task::spawn_blocking(move || blobs.digests_after(after, limit));
    let listed = listed.await.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())?;
    let more = listed.len() == limit as usize;
    let blobs = listed.into_iter().map(|blob| ListedBlob { digest: blob.digest, len: blob.size }).collect();
    Ok(PeerReply::Blobs { blobs, more })
}
