//! How a controller answers the node's requests for blobs.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tidegate_store::{
    BlobStore,
    wire::{BlobData, BulkReply, BulkRequest, MAX_DATA},
};
use tidegate_transport::{bulk::BulkStream, error::BulkError, link::Link};

/// How requests for blobs are answered.
#[derive(Clone, Default)]
pub(crate) struct Bulk {
    /// How many blobs were sent on a stream of their own, or in a batch.
    pub(crate) puts: Arc<AtomicUsize>,
    /// How many requests have come.
    pub(crate) asked: Arc<AtomicUsize>,
    /// Takes requests and answers none, as one that is stopped.
    pub(crate) mute: Arc<AtomicBool>,
}

/// Answers the node's requests for blobs.
pub(crate) async fn serve(link: Link, blobs: BlobStore, bulk: Bulk) {
    let mut unanswered = Vec::new();
    while let Ok((request, stream)) = link.accept_bulk::<BulkRequest>().await {
        bulk.asked.fetch_add(1, Ordering::Relaxed);
        if bulk.mute.load(Ordering::Relaxed) {
            unanswered.push(stream);
            continue;
        }
        let (blobs, bulk) = (blobs.clone(), bulk.clone());
        actix_rt::spawn(async move {
            // A test may have closed the link meanwhile.
            let _answered = answer(request, stream, &blobs, &bulk.puts).await;
        });
    }
}

async fn answer(
    request: BulkRequest,
    mut stream: BulkStream,
    blobs: &BlobStore,
    puts: &AtomicUsize,
) -> Result<(), BulkError> {
    let reply = match request {
        BulkRequest::HasBlobs { digests } => {
            BulkReply::MissingBlobs { digests: blobs.missing(&digests).unwrap() }
        }
        BulkRequest::GetBlob { digest, offset } => match blobs.open_blob(&digest).unwrap() {
            None => BulkReply::Missing,
            Some(mut reader) => {
                stream.send.message(&BulkReply::Found { len: reader.len() }).await?;
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                for piece in bytes[usize::try_from(offset).unwrap()..].chunks(MAX_DATA) {
                    stream.send.message(&BulkReply::Data(BlobData(piece.to_vec()))).await?;
                }
                return stream.send.delivered().await;
            }
        },
        BulkRequest::PutBlob { digest, len } => {
            puts.fetch_add(1, Ordering::Relaxed);
            let mut bytes = Vec::new();
            while (bytes.len() as u64) < len {
                let BlobData(piece) = stream.recv.message().await?;
                bytes.extend(piece);
            }
            let blobs = blobs.clone();
            let put = actix_rt::task::spawn_blocking(move || blobs.put(bytes).unwrap());
            assert_eq!(put.await.unwrap(), digest);
            BulkReply::Stored
        }
        BulkRequest::PutSmall { blobs: small } => {
            puts.fetch_add(small.len(), Ordering::Relaxed);
            blobs.put_many(small.into_iter().map(|BlobData(bytes)| bytes).collect()).unwrap();
            BulkReply::Stored
        }
        BulkRequest::ReadLog { .. } => BulkReply::Missing,
    };
    stream.send.message(&reply).await?;
    stream.send.delivered().await
}
