//! Sending a saved snapshot to a member that is too far behind, and taking one in. The file itself travels, with its
//! own checksum; a transfer that broke goes on where it stopped.

use crate::actors::core::{CoreActor, Happened};
use crate::actors::link::Shared;
use crate::disk::SnapshotStore;
use crate::peers::Peers;
use actix::Addr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use tidegate_scheduler::consensus::{PeerMessage, SnapshotPoint};
use tidegate_scheduler::{Input, Loaded};
use tidegate_store::peer_wire::{PeerReply, PeerRequest};
use tidegate_store::wire::{BlobData, MAX_DATA};
use tidegate_store::{Digest, DigestWriter};
use tidegate_transport::bulk::BulkStream;
use tidegate_transport::link::Link;
use tokio::sync::mpsc;

/// Sends the snapshot that `message` names, and tells the core what came of it.
pub(crate) fn send(
    to: u64,
    message: PeerMessage,
    store: SnapshotStore,
    peers: &Peers,
    core: Addr<CoreActor>,
) {
    let link = peers.link(to);
    actix_rt::spawn(async move {
        let sent = match link {
            Some(link) => deliver(&message, store, &link).await,
            None => Err("it is not connected".to_owned()),
        };
        match &sent {
            Ok(bytes) => tracing::info!(to, bytes, "a snapshot was sent"),
            Err(reason) => tracing::warn!(to, %reason, "a snapshot was not sent"),
        }
        core.do_send(Happened(Input::SnapshotSent { to, delivered: sent.is_ok() }));
    });
}

async fn deliver(message: &PeerMessage, store: SnapshotStore, link: &Link) -> Result<u64, String> {
    let point = message.snapshot.clone().ok_or("it names no snapshot")?;
    let opened = actix_rt::task::spawn_blocking(move || measure(&store, &point));
    let (file, len, digest) = opened.await.map_err(|panicked| panicked.to_string())??;
    let encoded = rmp_serde::to_vec(message).map_err(|error| error.to_string())?;
    let request = PeerRequest::Snapshot { message: BlobData(encoded), len, digest };
    request.check().map_err(|error| error.to_string())?;
    let mut stream = link.open_bulk(&request).await.map_err(|error| error.to_string())?;
    let offset = match stream.recv.message::<PeerReply>().await.map_err(|error| error.to_string())? {
        PeerReply::SendFrom { offset } if offset <= len => offset,
        PeerReply::Refused { reason } => return Err(reason),
        other => return Err(format!("an answer that does not fit: {other:?}")),
    };
    let (pieces, mut read) = mpsc::channel::<Vec<u8>>(4);
    let reading = actix_rt::task::spawn_blocking(move || read_pieces(file, offset, &pieces));
    while let Some(piece) = read.recv().await {
        stream.send.message(&BlobData(piece)).await.map_err(|error| error.to_string())?;
    }
    reading.await.map_err(|panicked| panicked.to_string())?.map_err(|error| error.to_string())?;
    match stream.recv.message::<PeerReply>().await.map_err(|error| error.to_string())? {
        PeerReply::Stored => Ok(len - offset),
        PeerReply::Refused { reason } => Err(reason),
        other => Err(format!("an answer that does not fit: {other:?}")),
    }
}

fn measure(store: &SnapshotStore, point: &SnapshotPoint) -> Result<(File, u64, Digest), String> {
    let mut file = store.open(point).map_err(|error| error.to_string())?;
    let mut sum = DigestWriter::new();
    let len = std::io::copy(&mut file, &mut sum).map_err(|error| error.to_string())?;
    Ok((file, len, sum.finish()))
}

fn read_pieces(mut file: File, offset: u64, pieces: &mpsc::Sender<Vec<u8>>) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    loop {
        let mut piece = Vec::new();
        (&mut file).take(MAX_DATA as u64).read_to_end(&mut piece)?;
        // Nobody takes it any more when the stream has broken, which its own error tells.
        if piece.is_empty() || pieces.blocking_send(piece).is_err() {
            return Ok(());
        }
    }
}

/// Takes a snapshot in: on the disk first, checked whole; then the core is told.
pub(super) async fn take(
    from: u64,
    message: &BlobData,
    len: u64,
    digest: Digest,
    stream: &mut BulkStream,
    shared: &Shared,
) -> Result<(), String> {
    let message: PeerMessage = rmp_serde::from_slice(&message.0).map_err(|error| error.to_string())?;
    let point = message.snapshot.clone().ok_or("the message names no snapshot")?;
    if message.from != from {
        return Err("the message is not from whom the certificate names".to_owned());
    }
    let store = shared.snapshots.clone();
    let mut arriving = {
        let point = point.clone();
        blocking(move || store.arriving(&point, digest, len)).await?
    };
    let offset = arriving.len();
    stream.send.message(&PeerReply::SendFrom { offset }).await.map_err(|error| error.to_string())?;
    while arriving.len() < len {
        let BlobData(piece) = stream.recv.message().await.map_err(|error| error.to_string())?;
        if piece.is_empty() {
            return Err("an empty piece".to_owned());
        }
        arriving = blocking(move || arriving.write(&piece).map(|()| arriving)).await?;
    }
    // Reading it back and indexing it takes long for a large state; one that cannot be read is not kept.
    let read = |image: &[u8]| Loaded::decode(image).map_err(|error| error.to_string());
    let loaded = blocking(move || arriving.finish(read)).await?;
    let arrived = Input::SnapshotArrived { message: Box::new(message), loaded: Box::new(loaded) };
    shared.core.do_send(Happened(arrived));
    Ok(())
}

async fn blocking<T: Send + 'static, E: ToString + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match actix_rt::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}
