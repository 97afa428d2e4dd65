//! Logs while they are written, and when they are too large.

use std::fs;

use tidegate_scheduler::message::{End, Phase};
use tidegate_store::wire::{BulkReply, LogStream};

use crate::node::{Node, until};

#[actix_rt::test]
async fn a_log_is_followed_to_its_end_and_misses_nothing() {
    let mut node = Node::new().await;
    node.run(1, "echo first; while [ ! -e go ]; do sleep 0.01; done; seq 200000; echo oops >&2; printf last")
        .await;
    let mut log = node.controller.log(1, LogStream::Stdout, 0, true).await;
    assert_eq!(log.until("first\n").await, "first\n");
    let (now, end) = node.controller.log(1, LogStream::Stdout, 2, false).await.rest().await;
    assert_eq!((now.as_slice(), end), (&b"rst\n"[..], BulkReply::LogEnd { len: 6, complete: false }));
    node.controller.phase(1, Phase::Running).await;
    fs::write(node.attempt(1).join("wd/go"), "").unwrap();
    let (rest, end) = log.rest().await;
    let ended = node.controller.ended(1).await;
    let stored = node.controller.stdout(&ended);
    assert!(format!("first\n{}", String::from_utf8(rest).unwrap()) == stored);
    assert!(stored.ends_with("200000\nlast"));
    assert_eq!(end, BulkReply::LogEnd { len: stored.len() as u64, complete: true });
    let (errors, end) = node.controller.log(1, LogStream::Stderr, 0, true).await.rest().await;
    assert_eq!((errors.as_slice(), end), (&b"oops\n"[..], BulkReply::LogEnd { len: 5, complete: true }));
    node.controller.acknowledge(1).await;
    until("its folder is gone", || !node.attempt(1).exists()).await;
    // The controller has it now.
    assert_eq!(node.controller.log(1, LogStream::Stdout, 0, true).await.rest().await.1, BulkReply::Missing);
}

#[actix_rt::test]
async fn a_log_can_be_followed_before_there_is_one() {
    let mut node = Node::new().await;
    let body = crate::node::job("echo here", "");
    // Nobody has sent its body: it waits in preparation.
    let assignment = crate::node::assignment(1, &body);
    node.controller.blobs.put(body.clone()).unwrap();
    node.run_assignment(assignment, None).await;
    let mut log = node.controller.log(1, LogStream::Stdout, 0, true).await;
    assert_eq!(log.until("here\n").await, "here\n");
    assert!(matches!(log.rest().await.1, BulkReply::LogEnd { len: 5, complete: true }));
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
}

#[actix_rt::test]
async fn a_log_past_its_limit_keeps_its_head_and_end_and_says_so() {
    let mut node = Node::with(|config| config.log_limit_mib = 1).await;
    node.run(1, "echo first; seq 1000000; echo last").await;
    let ended = node.controller.ended(1).await;
    assert_eq!(*ended.end(), End::Succeeded);
    let log = ended.artifacts.stdout.clone().unwrap();
    let text = node.controller.stdout(&ended);
    assert_eq!(text.len() as u64, log.kept);
    assert!(log.kept < 3 << 20 && log.written > 6 << 20, "{log:?}");
    assert!(text.starts_with("first\n1\n") && text.ends_with("1000000\nlast\n"));
    assert!(text.contains("bytes are left out here"));
    assert!(ended.notes().contains("standard output grew to"), "{}", ended.notes());
}
