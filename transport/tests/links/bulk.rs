use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use tidegate_transport::{
    bulk::BulkStream,
    config::Config,
    error::{BulkError, FrameError},
    link::{Class, Link},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::pair::{Pair, soon};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Request {
    Store { name: String },
    Fetch,
}

/// Bytes that do not repeat within a packet, made as they are needed.
fn fill(piece: &mut [u8], state: &mut u64) {
    for bytes in piece.chunks_mut(8) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        bytes.copy_from_slice(&state.to_le_bytes()[..bytes.len()]);
    }
}

async fn store(link: &Link, len: usize) -> (Vec<u8>, BulkStream) {
    let mut stream = link.open_bulk(&Request::Store { name: "blob".into() }).await.unwrap();
    let mut digest = Context::new(&SHA256);
    let mut body = stream.send.body(len as u64).await.unwrap();
    let (mut state, mut piece, mut left) = (7, vec![0; 100_000], len);
    while left > 0 {
        let size = left.min(piece.len());
        fill(&mut piece[..size], &mut state);
        digest.update(&piece[..size]);
        body.write_all(&piece[..size]).await.unwrap();
        left -= size;
    }
    body.shutdown().await.unwrap();
    (digest.finish().as_ref().to_vec(), stream)
}

/// Receives a body and answers with its digest, and the body once more.
async fn serve(link: &Link) {
    let (request, mut stream) = link.accept_bulk::<Request>().await.unwrap();
    assert_eq!(request, Request::Store { name: "blob".into() });
    let mut body = stream.recv.body(1 << 30).await.unwrap();
    let mut back = Vec::with_capacity(body.len() as usize);
    body.read_to_end(&mut back).await.unwrap();
    let digest = ring::digest::digest(&SHA256, &back);
    stream.send.message(digest.as_ref()).await.unwrap();
    stream.send.copy_body(&back[..], back.len() as u64).await.unwrap();
    stream.send.delivered().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_mebibytes_go_there_and_back_while_messages_flow() {
    const LEN: usize = 100 << 20;
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    let server = tokio::spawn({
        let far = far.clone();
        async move { serve(&far).await }
    });
    let echo = tokio::spawn({
        let far = far.clone();
        async move {
            while let Ok(number) = far.recv::<u64>(Class::Control).await {
                far.send(Class::Control, &number).await.unwrap();
            }
        }
    });
    let client = tokio::spawn({
        let near = near.clone();
        async move {
            let (sent, mut stream) = store(&near, LEN).await;
            let stored: Vec<u8> = stream.recv.message().await.unwrap();
            assert_eq!(stored, sent);
            let mut digest = Context::new(&SHA256);
            let mut body = stream.recv.body(LEN as u64).await.unwrap();
            let mut piece = vec![0; 100_000];
            while !body.is_empty() {
                let count = body.read(&mut piece).await.unwrap();
                digest.update(&piece[..count]);
            }
            assert_eq!(digest.finish().as_ref(), sent);
            stream.send.finish().unwrap();
        }
    });
    let mut round_trips = 0u64;
    let mut longest = std::time::Duration::ZERO;
    while !client.is_finished() {
        let start = std::time::Instant::now();
        near.send(Class::Control, &round_trips).await.unwrap();
        let back = soon("a round trip beside the bulk", near.recv::<u64>(Class::Control)).await.unwrap();
        assert_eq!(back, round_trips);
        longest = longest.max(start.elapsed());
        round_trips += 1;
    }
    soon("the client", client).await.unwrap();
    soon("the server", server).await.unwrap();
    println!("{round_trips} round trips meanwhile, the longest {longest:?}");
    assert!(round_trips > 50, "{round_trips} round trips");
    drop(near);
    soon("the echo", echo).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_streams_that_nobody_reads_hold_up_nothing() {
    let config = Config { max_bulk_streams: 4, stream_window: 64 << 10, ..Config::default() };
    let pair = Pair::with(config.clone(), config);
    let (near, far) = pair.link().await;
    // All streams but one that the peer allows (its window is then full), each with more than is ever read.
    let mut blocked = Vec::new();
    for _ in 0..3 {
        let mut stream = near.open_bulk(&Request::Fetch).await.unwrap();
        blocked
            .push(tokio::spawn(async move { stream.send.copy_body(tokio::io::repeat(1), 100 << 20).await }));
    }
    let mut unread = Vec::new();
    for _ in 0..3 {
        unread.push(soon("the request", far.accept_bulk::<Request>()).await.unwrap());
    }
    for number in 0..200u64 {
        for class in [Class::Control, Class::Consensus] {
            near.send(class, &number).await.unwrap();
            assert_eq!(soon("a message", far.recv::<u64>(class)).await.unwrap(), number);
        }
    }
    let mut through = near.open_bulk(&Request::Fetch).await.unwrap();
    let read = async {
        let (_, mut stream) = far.accept_bulk::<Request>().await.unwrap();
        stream.recv.copy_body(tokio::io::sink(), u64::MAX).await
    };
    let write = through.send.copy_body(tokio::io::repeat(2), 1 << 20);
    let (written, read) = soon("a bulk stream beside them", async { tokio::join!(write, read) }).await;
    written.unwrap();
    assert_eq!(read.unwrap(), 1 << 20);
    assert!(blocked.iter().all(|task| !task.is_finished()));
    // Giving up on the reader's side frees the writer.
    drop(unread);
    for task in blocked {
        let error = soon("the writer", task).await.unwrap().unwrap_err();
        assert!(matches!(error, BulkError::Stream(_) | BulkError::Abandoned), "{error}");
    }
}

#[tokio::test]
async fn a_body_is_exactly_what_was_told() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;

    // Longer than the reader allows: refused unread.
    let mut stream = near.open_bulk(&Request::Fetch).await.unwrap();
    stream.send.copy_body(&[1u8; 100][..], 100).await.unwrap();
    let (_, mut other) = soon("the request", far.accept_bulk::<Request>()).await.unwrap();
    let error = soon("the refusal", other.recv.body(99)).await.unwrap_err();
    assert!(matches!(error, BulkError::TooLarge { len: 100, limit: 99 }), "{error}");

    // A source that ends early is an error on both sides, not a short body.
    let mut stream = near.open_bulk(&Request::Fetch).await.unwrap();
    let error = stream.send.copy_body(&[1u8; 10][..], 100).await.unwrap_err();
    assert!(matches!(error, BulkError::Short { missing: 90 }), "{error}");
    drop(stream);
    if let Ok((_, mut other)) = soon("the request", far.accept_bulk::<Request>()).await {
        soon("the end", other.recv.copy_body(tokio::io::sink(), 100)).await.unwrap_err();
    }

    // Finished early, by a peer that does not keep its word.
    let mut stream = near.open_bulk(&Request::Fetch).await.unwrap();
    let mut body = stream.send.body(100).await.unwrap();
    body.write_all(&[1; 10]).await.unwrap();
    assert_eq!(body.left(), 90);
    assert!(body.shutdown().await.is_err());
    stream.send.finish().unwrap();
    let (_, mut other) = soon("the request", far.accept_bulk::<Request>()).await.unwrap();
    let error = soon("the end", other.recv.copy_body(tokio::io::sink(), 100)).await.unwrap_err();
    assert!(error.to_string().contains("90 bytes before the end"), "{error}");

    // Longer than told.
    let mut stream = near.open_bulk(&Request::Fetch).await.unwrap();
    let mut body = stream.send.body(5).await.unwrap();
    assert!(body.write_all(&[1; 6]).await.is_err());
}

#[tokio::test]
async fn a_request_at_fault_costs_its_own_stream_alone() {
    let pair = Pair::new();
    let (near, far) = pair.link().await;
    let error = near.open_bulk(&"x".repeat(2 << 20)).await.unwrap_err();
    assert!(matches!(error, BulkError::Frame(FrameError::TooLargeToSend { .. })), "{error}");

    let _wrong = near.open_bulk(&77u64).await.unwrap();
    let error = soon("the refusal", far.accept_bulk::<Request>()).await.unwrap_err();
    assert!(matches!(error, BulkError::Frame(FrameError::Decode(_))), "{error}");

    let _right = near.open_bulk(&Request::Fetch).await.unwrap();
    let (request, _) = soon("the request", far.accept_bulk::<Request>()).await.unwrap();
    assert_eq!(request, Request::Fetch);

    drop(near);
    let error = soon("the end", far.accept_bulk::<Request>()).await.unwrap_err();
    assert!(matches!(error, BulkError::Closed(_)), "{error}");
}

#[tokio::test]
async fn as_many_requests_as_the_peer_allows_wait_for_no_more() {
    let config = Config { max_bulk_streams: 2, ..Config::default() };
    let pair = Pair::with(config.clone(), config);
    let (near, far) = pair.link().await;
    // Ten in a row: each frees its place when both sides are done with it.
    for _ in 0..10 {
        let mut stream = soon("a place", near.open_bulk(&Request::Fetch)).await.unwrap();
        stream.send.finish().unwrap();
        let (_, mut other) = soon("the request", far.accept_bulk::<Request>()).await.unwrap();
        other.send.message(&1u8).await.unwrap();
        other.send.finish().unwrap();
        assert_eq!(soon("the answer", stream.recv.message::<u8>()).await.unwrap(), 1);
    }
}
