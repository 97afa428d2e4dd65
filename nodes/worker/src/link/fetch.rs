//! Fetching blobs into the cache.

use std::{
    io::{self, Read},
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tidegate_store::{
    BlobStore, Digest,
    wire::{BlobData, BulkReply, BulkRequest},
};
use tidegate_transport::{bulk::BulkStream, error::BulkError, link::Link};
use tokio::sync::mpsc;

use super::{
    cache::blocking,
    remote::{Failure, Remote, RemoteError},
};

/// Blobs that are fetched at the same time.
const AT_ONCE: usize = 16;
/// Pieces on their way to the disk.
const PIECES: usize = 4;
/// The largest blob there is, in bytes.
const LARGEST: u64 = 1 << 40;

impl Remote {
    /// Fetches a small blob into memory.
    pub(crate) async fn get(&self, digest: Digest, limit: u64) -> Result<Vec<u8>, RemoteError> {
        let bytes = self.persist(|link| get_whole(link, digest, limit)).await?;
        let actual = Digest::of(&bytes);
        match actual == digest {
            true => Ok(bytes),
            false => {
                Err(RemoteError::Local(format!("what came for blob {digest} is something else, {actual}")))
            }
        }
    }

    /// Fetches those of `digests` that the cache does not have.
    pub(crate) async fn fetch(&self, cache: &BlobStore, digests: Vec<Digest>) -> Result<(), RemoteError> {
        let known = cache.clone();
        let missing = blocking(move || known.missing(&digests)).await?;
        stream::iter(missing)
            .map(|digest| self.fetch_one(cache, digest))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    async fn fetch_one(&self, cache: &BlobStore, digest: Digest) -> Result<(), RemoteError> {
        let (pieces, arriving) = mpsc::channel(PIECES);
        let cache = cache.clone();
        let reader = Pieces { arriving, piece: Vec::new(), at: 0 };
        let storing =
            tokio::spawn(blocking(move || cache.put_stream(reader, Some(digest), LARGEST).map(drop)));
        let taken = AtomicU64::new(0);
        let got = self.persist(|link| get_pieces(link, digest, &taken, &pieces)).await;
        // An end that is told, not one that looks like the end of the blob.
        let broken = got.as_ref().err().map(|error| io::Error::other(error.to_string()));
        if let Some(error) = broken {
            // The store may have failed first, and says so below.
            let _told = pieces.send(Err(error)).await;
        }
        drop(pieces);
        let stored = storing.await.map_err(|panicked| RemoteError::Local(panicked.to_string()))?;
        match (got, stored) {
            (
                Err(error @ (RemoteError::Missing(_) | RemoteError::Refused(_) | RemoteError::Broken(_))),
                _,
            ) => Err(error),
            (_, Err(error)) => Err(error.into()),
            (got, Ok(())) => got,
        }
    }
}

async fn get_whole(link: Link, digest: Digest, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut stream = link.open_bulk(&BulkRequest::GetBlob { digest, offset: 0 }).await?;
    let len = found(&mut stream, digest).await?;
    if len > limit {
        let what = format!("blob {digest} has {len} bytes, at most {limit} are taken");
        return Err(Failure::Final(RemoteError::Local(what)));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len {
        let piece = data(&mut stream, len - bytes.len() as u64).await?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Goes on where the last try broke off.
async fn get_pieces(
    link: Link,
    digest: Digest,
    taken: &AtomicU64,
    pieces: &mpsc::Sender<io::Result<Vec<u8>>>,
) -> Result<(), Failure> {
    let offset = taken.load(Ordering::Relaxed);
    let mut stream = link.open_bulk(&BulkRequest::GetBlob { digest, offset }).await?;
    let len = found(&mut stream, digest).await?;
    let mut left = len.saturating_sub(offset);
    while left > 0 {
        let piece = data(&mut stream, left).await?;
        let count = piece.len() as u64;
        if pieces.send(Ok(piece)).await.is_err() {
            // The store has had enough, and tells why.
            return Ok(());
        }
        taken.fetch_add(count, Ordering::Relaxed);
        left -= count;
    }
    Ok(())
}

async fn found(stream: &mut BulkStream, digest: Digest) -> Result<u64, Failure> {
    match stream.recv.message().await? {
        BulkReply::Found { len } => Ok(len),
        BulkReply::Missing => Err(Failure::Final(RemoteError::Missing(digest))),
        reply => Err(unexpected(reply)),
    }
}

async fn data(stream: &mut BulkStream, most: u64) -> Result<Vec<u8>, Failure> {
    match stream.recv.message().await? {
        BulkReply::Data(BlobData(piece)) if !piece.is_empty() && piece.len() as u64 <= most => Ok(piece),
        reply => Err(unexpected(reply)),
    }
}

pub(super) fn unexpected(reply: BulkReply) -> Failure {
    match reply {
        BulkReply::Refused { reason } => Failure::Refused(reason),
        _ => Failure::Bulk(BulkError::Ended),
    }
}

/// Pieces that arrive, as a reader on another thread sees them.
struct Pieces {
    arriving: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.arriving.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece?, 0),
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
