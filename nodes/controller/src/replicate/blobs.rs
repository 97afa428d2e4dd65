//! Blobs, kept by several controllers: a put is acknowledged once a majority of those that vote has synced it, and
//! what is missing here is fetched from whoever has it.

use crate::peers::Peers;
use crate::replicate::settled::Settled;
use crate::serve::Pieces;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;
use tidegate_store::peer_wire::PeerRequest;
use tidegate_store::wire::{BlobData, BulkReply, BulkRequest, MAX_DATA, MAX_DIGESTS};
use tidegate_store::{BlobReader, BlobStore, Digest, StoreError};
use tidegate_transport::link::Link;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long nothing may move on while a majority gets a blob.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest blob that is fetched from another controller, in bytes.
const LARGEST: u64 = 1 << 40;

/// A blob was not stored as it should be.
#[derive(Debug, Error)]
pub enum BlobError {
    /// This controller's own store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too few controllers have it.
    #[error("only {have} of the {needed} controllers that make a majority could store it; try again")]
    NoMajority {
        /// How many have it.
        have: usize,
        /// How many must.
        needed: usize,
    },
    /// The work was broken off.
    #[error("storing was broken off: {0}")]
    BrokenOff(String),
}

/// The blobs of the cluster, as this controller keeps them; clones share them.
#[derive(Clone)]
pub struct ReplicatedBlobs {
    local: BlobStore,
    own: u64,
    peers: Peers,
    voters: watch::Receiver<Vec<u64>>,
    settled: Settled,
}

impl ReplicatedBlobs {
    pub(crate) fn new(
        local: BlobStore,
        own: u64,
        peers: Peers,
        voters: watch::Receiver<Vec<u64>>,
    ) -> ReplicatedBlobs {
        ReplicatedBlobs { local, own, peers, voters, settled: Settled::default() }
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.peers
    }

    /// What is stored here.
    pub fn local(&self) -> &BlobStore {
        &self.local
    }

    /// Stores blobs, and gives their digests in the same order once a majority has them.
    pub async fn put_many(&self, blobs: Vec<Vec<u8>>) -> Result<Vec<Digest>, BlobError> {
        let local = self.local.clone();
        let digests = blocking(move || local.put_many(blobs)).await?;
        self.spread(&digests).await?;
        Ok(digests)
    }

    /// Stores what a reader gives, as [`BlobStore::put_stream`]; done once a majority has it.
    pub async fn put_stream(
        &self,
        reader: impl Read + Send + 'static,
        expected: Option<Digest>,
        limit: u64,
    ) -> Result<(Digest, u64), BlobError> {
        let local = self.local.clone();
        let stored = blocking(move || local.put_stream(reader, expected, limit)).await?;
        self.spread(&[stored.0]).await?;
        Ok(stored)
    }

    /// The whole blob; fetched from another controller when it is not here.
    pub async fn get(&self, digest: Digest) -> Result<Option<Vec<u8>>, BlobError> {
        let local = self.local.clone();
        if let Some(found) = blocking(move || local.get(&digest)).await? {
            return Ok(Some(found));
        }
        self.fetch(digest).await;
        let local = self.local.clone();
        blocking(move || local.get(&digest)).await
    }

    /// The blob, to be read piece by piece; fetched from another controller when it is not here.
    pub async fn open_blob(&self, digest: Digest) -> Result<Option<BlobReader>, BlobError> {
        let local = self.local.clone();
        if let Some(found) = blocking(move || local.open_blob(&digest)).await? {
            return Ok(Some(found));
        }
        self.fetch(digest).await;
        let local = self.local.clone();
        blocking(move || local.open_blob(&digest)).await
    }

    /// Keeps these from being swept, and fetches those that are missing; gives those that nobody has.
    pub async fn hold(&self, digests: Vec<Digest>) -> Result<Vec<Digest>, BlobError> {
        let (local, asked) = (self.local.clone(), digests.clone());
        let missing = blocking(move || local.hold(&asked)).await?;
        let mut nowhere = Vec::new();
        for digest in missing {
            if !self.fetch(digest).await {
                nowhere.push(digest);
            }
        }
        Ok(nowhere)
    }

    /// Returns once a majority of those that vote has these, which are stored here.
    pub async fn spread(&self, digests: &[Digest]) -> Result<(), BlobError> {
        let voters = self.voters.borrow().clone();
        let needed = voters.len() / 2 + 1;
        let mut have = usize::from(voters.contains(&self.own));
        let digests = match have >= needed {
            true => Vec::new(),
            false => self.settled.others(&voters, digests, Instant::now()),
        };
        if digests.is_empty() {
            return Ok(());
        }
        let mut pushes = JoinSet::new();
        let progress = Arc::new(AtomicU64::new(0));
        for voter in voters.iter().copied().filter(|voter| *voter != self.own) {
            let (store, link, digests) = (self.local.clone(), self.peers.link(voter), digests.clone());
            let progress = progress.clone();
            pushes.spawn(async move {
                let link = link.ok_or("it is not connected")?;
                push(&link, &store, digests, &progress).await.map_err(|error| {
                    tracing::debug!(voter, %error, "blobs were not pushed");
                    "it did not take them"
                })
            });
        }
        let mut seen = 0;
        while have < needed {
            match tokio::time::timeout(PATIENCE, pushes.join_next()).await {
                Ok(Some(Ok(Ok(())))) => have += 1,
                Ok(Some(_)) => {}
                Ok(None) => return Err(BlobError::NoMajority { have, needed }),
                // However large a blob is: what moves on is waited for.
                Err(_) => match progress.load(Ordering::Relaxed) {
                    sent if sent > seen => seen = sent,
                    _ => return Err(BlobError::NoMajority { have, needed }),
                },
            }
        }
        // The others may have them too, in their own time.
        pushes.detach_all();
        self.settled.add(voters, &digests, Instant::now());
        Ok(())
    }

    /// Fetches one blob from whoever has it; tells whether it is here now.
    pub(crate) async fn fetch(&self, digest: Digest) -> bool {
        for peer in self.peers.ids() {
            let Some(link) = self.peers.link(peer) else { continue };
            match pull(&link, &self.local, digest).await {
                Ok(true) => return true,
                Ok(false) => {}
                Err(error) => tracing::warn!(peer, %digest, %error, "a blob could not be fetched"),
            }
        }
        false
    }
}

/// Sends those of the blobs that the other side lacks; returns once it has synced them.
async fn push(
    link: &Link,
    store: &BlobStore,
    digests: Vec<Digest>,
    progress: &AtomicU64,
) -> Result<(), String> {
    for asked in digests.chunks(MAX_DIGESTS) {
        let request = PeerRequest::Blobs(BulkRequest::HasBlobs { digests: asked.to_vec() });
        let mut stream = link.open_bulk(&request).await.map_err(|error| error.to_string())?;
        let missing = match stream.recv.message().await.map_err(|error| error.to_string())? {
            BulkReply::MissingBlobs { digests } => digests,
            other => return Err(format!("an answer that does not fit: {other:?}")),
        };
        for digest in missing {
            push_one(link, store, digest, progress).await?;
        }
    }
    Ok(())
}

async fn push_one(
    link: &Link,
    store: &BlobStore,
    digest: Digest,
    progress: &AtomicU64,
) -> Result<(), String> {
    let (local, gone) = (store.clone(), "it is no longer here");
    let opened = blocking(move || local.open_blob(&digest)).await.map_err(|error| error.to_string())?;
    let mut reader = opened.ok_or(gone)?;
    let len = reader.len();
    let request = PeerRequest::Blobs(BulkRequest::PutBlob { digest, len });
    let mut stream = link.open_bulk(&request).await.map_err(|error| error.to_string())?;
    let (pieces, mut read) = mpsc::channel::<Vec<u8>>(4);
    let reading = actix_rt::task::spawn_blocking(move || -> std::io::Result<()> {
        reader.seek(SeekFrom::Start(0))?;
        loop {
            let mut piece = Vec::new();
            (&mut reader).take(MAX_DATA as u64).read_to_end(&mut piece)?;
            // One that has it already takes no more, and says so.
            if piece.is_empty() || pieces.blocking_send(piece).is_err() {
                return Ok(());
            }
        }
    });
    while let Some(piece) = read.recv().await {
        if stream.send.message(&BlobData(piece)).await.is_err() {
            break;
        }
        progress.fetch_add(1, Ordering::Relaxed);
    }
    drop(read);
    reading.await.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())?;
    match stream.recv.message().await.map_err(|error| error.to_string())? {
        BulkReply::Stored => Ok(()),
        BulkReply::Refused { reason } => Err(reason),
        other => Err(format!("an answer that does not fit: {other:?}")),
    }
}

/// Fetches a blob; `false` when the other side has none.
async fn pull(link: &Link, store: &BlobStore, digest: Digest) -> Result<bool, String> {
    let request = PeerRequest::Blobs(BulkRequest::GetBlob { digest, offset: 0 });
    let mut stream = link.open_bulk(&request).await.map_err(|error| error.to_string())?;
    let len = match stream.recv.message().await.map_err(|error| error.to_string())? {
        BulkReply::Found { len } => len,
        BulkReply::Missing => return Ok(false),
        other => return Err(format!("an answer that does not fit: {other:?}")),
    };
    let (pieces, arriving) = mpsc::channel::<Vec<u8>>(4);
    let (reader, local) = (Pieces::new(arriving), store.clone());
    let storing = actix_rt::task::spawn_blocking(move || local.put_stream(reader, Some(digest), LARGEST));
    let mut left = len;
    while left > 0 {
        match stream.recv.message().await.map_err(|error| error.to_string())? {
            BulkReply::Data(BlobData(piece)) if !piece.is_empty() => {
                left = left.saturating_sub(piece.len() as u64);
                if pieces.send(piece).await.is_err() {
                    break;
                }
            }
            other => return Err(format!("an answer that does not fit: {other:?}")),
        }
    }
    drop(pieces);
    match storing.await {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, BlobError> {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(result) => Ok(result?),
        Err(panicked) => Err(BlobError::BrokenOff(panicked.to_string())),
    }
}
