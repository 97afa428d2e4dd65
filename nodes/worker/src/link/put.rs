//! Sending blobs to a controller.

use std::{collections::BTreeMap, io::Read, path::PathBuf, sync::Arc};

use tidegate_store::{
    Digest, Scanned,
    wire::{BlobData, BulkReply, BulkRequest, MAX_DATA, MAX_DIGESTS},
};
use tidegate_transport::{error::BulkError, link::Link};
use tokio::sync::mpsc;

use super::{
    fetch::unexpected,
    remote::{Failure, Remote, RemoteError},
};

/// Blobs up to this size go several in one request.
const SMALL_BYTES: u64 = 32 << 10;
/// Pieces read ahead of the network.
const PIECES: usize = 4;

/// Where a blob's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Memory(Arc<[u8]>),
    /// The file at this path of a scanned folder.
    Scanned(Arc<Scanned>, String),
    /// Parts of a file, end to end.
    File(PathBuf, Vec<Part>),
}

/// A part of a file, or a text in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Bytes { from: u64, len: u64 },
    Text(String),
}

/// Contents to be stored, each once, with their sizes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents(BTreeMap<Digest, (u64, Source)>);

impl Contents {
    pub(crate) fn add(&mut self, digest: Digest, len: u64, source: Source) {
        self.0.entry(digest).or_insert((len, source));
    }

    /// The bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().fold(0, |sum: u64, (len, _)| sum.saturating_add(*len))
    }

    /// All of them in memory; for few and small ones.
    pub(crate) fn read_all(&self) -> Result<Vec<serde_bytes::ByteBuf>, String> {
        self.0
            .iter()
            .map(|(digest, (len, source))| source.read_whole(*digest, *len).map(Into::into))
            .collect()
    }
}

impl Source {
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, String> {
        match self {
            Source::Memory(bytes) => Ok(Box::new(std::io::Cursor::new(bytes.clone()))),
            Source::Scanned(scanned, path) => scanned
                .open(path)
                .map(|file| Box::new(file) as Box<dyn Read + Send>)
                .map_err(|error| error.to_string()),
            Source::File(path, parts) => crate::finish::open_parts(path, parts)
                .map_err(|error| format!("cannot read {}: {error}", path.display())),
        }
    }

    fn read_whole(&self, digest: Digest, len: u64) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        self.open()?.take(len + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        match Digest::of(&bytes) == digest {
            true => Ok(bytes),
            false => Err(changed(digest)),
        }
    }
}

fn changed(digest: Digest) -> String {
    format!("a file changed while it was being stored (it was {digest})")
}

impl Remote {
    /// Stores contents; those that the controller has are not sent.
    pub(crate) async fn put(&self, contents: &Contents) -> Result<(), RemoteError> {
        let digests: Vec<Digest> = contents.0.keys().copied().collect();
        for asked in digests.chunks(MAX_DIGESTS) {
            let missing = self.persist(|link| missing(link, asked.to_vec())).await?;
            let (small, large): (Vec<Digest>, Vec<Digest>) = missing
                .into_iter()
                .partition(|digest| contents.0.get(digest).is_some_and(|(len, _)| *len <= SMALL_BYTES));
            for batch in batches(&small, contents) {
                let blobs = read_batch(&batch, contents).await?;
                self.persist(|link| put_small(link, blobs.clone())).await?;
            }
            for digest in large {
                let Some((len, source)) = contents.0.get(&digest) else { continue };
                self.persist(|link| put_one(link, digest, *len, source.clone())).await?;
            }
        }
        Ok(())
    }
}

/// Small blobs, as many in one request as it may hold.
fn batches(small: &[Digest], contents: &Contents) -> Vec<Vec<Digest>> {
    let mut batches: Vec<Vec<Digest>> = Vec::new();
    let mut room = 0;
    for digest in small {
        let len = contents.0.get(digest).map_or(0, |(len, _)| *len);
        match batches.last_mut().filter(|_| len <= room) {
            Some(batch) => batch.push(*digest),
            None => {
                batches.push(vec![*digest]);
                room = MAX_DATA as u64;
            }
        }
        room -= len;
    }
    batches
}

async fn read_batch(batch: &[Digest], contents: &Contents) -> Result<Vec<BlobData>, RemoteError> {
    let sources: Vec<_> = batch
        .iter()
        .filter_map(|digest| contents.0.get(digest).map(|(len, source)| (*digest, *len, source.clone())))
        .collect();
    let read = move || {
        sources.iter().map(|(digest, len, source)| source.read_whole(*digest, *len).map(BlobData)).collect()
    };
    let read: Result<Vec<BlobData>, String> = tokio::task::spawn_blocking(read)
        .await
        .map_err(|panicked| RemoteError::Local(panicked.to_string()))?;
    read.map_err(RemoteError::Local)
}

async fn missing(link: Link, digests: Vec<Digest>) -> Result<Vec<Digest>, Failure> {
    let mut stream = link.open_bulk(&BulkRequest::HasBlobs { digests }).await?;
    match stream.recv.message().await? {
        BulkReply::MissingBlobs { digests } => Ok(digests),
        reply => Err(unexpected(reply)),
    }
}

async fn put_small(link: Link, blobs: Vec<BlobData>) -> Result<(), Failure> {
    let mut stream = link.open_bulk(&BulkRequest::PutSmall { blobs }).await?;
    stored(stream.recv.message().await?)
}

async fn put_one(link: Link, digest: Digest, len: u64, source: Source) -> Result<(), Failure> {
    let mut stream = link.open_bulk(&BulkRequest::PutBlob { digest, len }).await?;
    let (give, mut pieces) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || read_pieces(&source, len, &give));
    let mut left = len;
    while left > 0 {
        let piece: Vec<u8> = match pieces.recv().await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) => return Err(Failure::Final(RemoteError::Local(error))),
            None => return Err(Failure::Final(RemoteError::Local(changed(digest)))),
        };
        left = left.saturating_sub(piece.len() as u64);
        match stream.send.message(&BlobData(piece)).await {
            Ok(()) => {}
            // It has the blob already, or has no room for it: it says which.
            Err(BulkError::Abandoned) => break,
            Err(error) => return Err(error.into()),
        }
    }
    stored(stream.recv.message().await?)
}

fn read_pieces(source: &Source, len: u64, give: &mpsc::Sender<Result<Vec<u8>, String>>) {
    let mut reader = match source.open() {
        Ok(reader) => reader.take(len),
        Err(error) => return drop(give.blocking_send(Err(error))),
    };
    loop {
        let mut piece = vec![0; MAX_DATA];
        let mut filled = 0;
        while filled < piece.len() {
            match reader.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return drop(give.blocking_send(Err(error.to_string()))),
            }
        }
        piece.truncate(filled);
        // Nobody takes pieces any more once the peer has had enough.
        if filled == 0 || give.blocking_send(Ok(piece)).is_err() {
            return;
        }
    }
}

fn stored(reply: BulkReply) -> Result<(), Failure> {
    match reply {
        BulkReply::Stored => Ok(()),
        reply => Err(unexpected(reply)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_blobs_go_together_as_far_as_they_fit() {
        let mut contents = Contents::default();
        let sizes = [200 << 10, 50 << 10, 10 << 10, 0, 256 << 10];
        let digests: Vec<Digest> = sizes
            .iter()
            .map(|len| {
                let digest = Digest::of(format!("{len}").as_bytes());
                contents.add(digest, *len, Source::Memory([].into()));
                digest
            })
            .collect();
        let all = batches(&digests, &contents);
        let sums: Vec<Vec<u64>> =
            all.iter().map(|batch| batch.iter().map(|digest| contents.0[digest].0 >> 10).collect()).collect();
        assert_eq!(sums, [vec![200, 50], vec![10, 0], vec![256]]);
        assert_eq!(contents.bytes(), sizes.iter().sum::<u64>());
    }

    #[test]
    fn a_content_that_changed_is_not_sent_as_what_it_was() {
        let mut contents = Contents::default();
        contents.add(Digest::of(b"then"), 4, Source::Memory((*b"now!").into()));
        assert!(contents.read_all().unwrap_err().contains("changed"));
    }
}
