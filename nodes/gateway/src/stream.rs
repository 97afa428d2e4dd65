//! Bytes between requests and the disk: the store blocks, the gateway must not.

use crate::api::Problem;
use crate::app::App;
use actix_web::web::{self, Bytes};
use futures_util::Stream;
use futures_util::stream::poll_fn;
use std::io::{self, Read, Seek, SeekFrom};
use tidegate_store::{BlobReader, Digest};
use tokio::sync::mpsc;

/// Bytes read from a blob at a time.
const CHUNK: usize = 128 << 10;
/// Pieces read ahead of a slow client.
const READ_AHEAD: usize = 4;

/// The body of a request, as a reader on another thread sees it.
pub(crate) struct Pieces {
    arriving: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Pieces {
    pub(crate) fn new(arriving: mpsc::Receiver<io::Result<Bytes>>) -> Pieces {
        Pieces { arriving, piece: Bytes::new() }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.arriving.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.piece.len());
        into[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// A channel as a response's body.
pub(crate) fn body_of<T>(mut receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    poll_fn(move |context| receiver.poll_recv(context))
}

/// A blob from `offset` on, read as the client takes it; and how many bytes that are. `None` when it is not stored.
pub(crate) async fn blob_body(
    app: &App,
    digest: Digest,
    offset: u64,
) -> Result<Option<(u64, impl Stream<Item = io::Result<Bytes>> + use<>)>, Problem> {
    let Some(mut reader) = app.controller.blobs().open_blob(digest).await? else { return Ok(None) };
    let length = reader.len().saturating_sub(offset);
    let (pieces, arriving) = mpsc::channel(READ_AHEAD);
    // Nobody awaits it: it ends when the blob does, or when the client leaves.
    drop(web::block(move || send_pieces(&mut reader, offset, &pieces)));
    Ok(Some((length, body_of(arriving))))
}

fn send_pieces(reader: &mut BlobReader, offset: u64, pieces: &mpsc::Sender<io::Result<Bytes>>) {
    // Only a read from the first byte on is checked against the digest.
    let begun = if offset == 0 { Ok(0) } else { reader.seek(SeekFrom::Start(offset)) };
    if let Err(error) = begun {
        return drop(pieces.blocking_send(Err(error)));
    }
    loop {
        let mut piece = vec![0; CHUNK];
        let read = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => {
                piece.truncate(count);
                Ok(Bytes::from(piece))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = read.is_err();
        if pieces.blocking_send(read).is_err() || failed {
            return;
        }
    }
}
