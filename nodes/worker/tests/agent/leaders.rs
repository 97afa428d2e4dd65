//! Several controllers, of which one leads: whom the node tells, and whom it obeys.

use std::{fs, path::Path, sync::atomic::Ordering};

use tidegate_scheduler::{
    command::OnDisconnect,
    ids::Fence,
    message::{End, Phase, StopCause, ToWorker},
};
use tidegate_store::{node_wire::FromNode, wire::LogStream};

use crate::{
    controller::Controller,
    node::{Node, assignment, job, until},
};

/// A node with three controllers, of which the first leads in term 1.
async fn three() -> (Node, Controller, Controller) {
    let mut node = Node::prepared(|_| {});
    let (mut second, mut third) = (node.controller.peer("c2"), node.controller.peer("c3"));
    node.tell_addresses(&[node.controller.address(), second.address(), third.address()]);
    node.start_agent();
    node.controller.connected().await;
    second.connected().await;
    third.connected().await;
    assert_eq!(node.controller.lead(1).await, []);
    (node, second, third)
}

/// Runs until a file is there.
fn waits(go: &Path) -> String {
    format!("echo here; while [ ! -e {} ]; do sleep 0.01; done; echo done", go.display())
}

fn ends(controller: &Controller) -> usize {
    controller.heard().iter().filter(|message| matches!(message, FromNode::Ended { .. })).count()
}

#[actix_rt::test]
async fn an_end_is_told_to_who_leads_then_and_to_nobody_else() {
    let (mut node, mut second, mut third) = three().await;
    let go = node.path("go");
    node.run(1, &waits(&go)).await;
    node.controller.phase(1, Phase::Running).await;
    assert_eq!(second.lead(2).await, [(Fence(1), Phase::Running)]);
    fs::write(&go, "").unwrap();
    let ended = second.ended(1).await;
    assert_eq!((ended.end(), second.stdout(&ended).as_str()), (&End::Succeeded, "here\ndone\n"));
    second.acknowledge(1).await;
    until("its folder is gone", || !node.attempt(1).exists()).await;
    // The first hears something again only now that it leads again: what it was not told before.
    assert_eq!(third.lead(3).await, []);
    assert_eq!(second.lead(4).await, []);
    assert_eq!(node.controller.lead(5).await, []);
    assert_eq!([ends(&node.controller), ends(&second), ends(&third)], [0; 3]);
}

#[actix_rt::test]
async fn an_end_that_the_former_leader_did_not_acknowledge_is_said_again_to_the_next() {
    let (mut node, mut second, _third) = three().await;
    node.run(1, "head -c 20000 /dev/zero | tr '\\0' x > outputs/x").await;
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
    assert_eq!(second.lead(2).await, [(Fence(1), Phase::Finalizing)]);
    let ended = second.ended(1).await;
    assert_eq!(second.files(&ended.artifacts.default.unwrap())[0].1.len(), 20_000);
    second.acknowledge(1).await;
    until("its folder is gone", || !node.attempt(1).exists()).await;
}

#[actix_rt::test]
async fn orders_of_who_leads_no_longer_are_ignored() {
    let (mut node, mut second, mut third) = three().await;
    node.run(1, "exec sleep 1000").await;
    node.controller.phase(1, Phase::Running).await;
    node.run(2, "true").await;
    node.controller.ended(2).await;
    let known = [(Fence(1), Phase::Running), (Fence(2), Phase::Finalizing)];
    assert_eq!(second.lead(2).await, known);
    let body = job("true", "");
    for stale in [&node.controller, &third] {
        stale.say(ToWorker::Stop { fence: Fence(1), cause: StopCause::Superseded }).await;
        stale.say(ToWorker::Acknowledge { fence: Fence(2) }).await;
        stale.assign(assignment(3, &body), Some(&body)).await;
        stale.say(ToWorker::Leave).await;
    }
    // Asked on the same streams, so after all of that was read.
    assert_eq!(third.lead(3).await, known);
    assert_eq!(node.controller.lead(4).await, known);
    node.controller.say(ToWorker::Stop { fence: Fence(1), cause: StopCause::Canceled }).await;
    assert_eq!(*node.controller.ended(1).await.end(), End::Stopped);
}

#[actix_rt::test]
async fn a_lower_term_is_not_followed_and_the_same_one_is_answered_again() {
    let (node, mut second, mut third) = three().await;
    assert_eq!(second.lead(5).await, []);
    assert_eq!(second.lead(5).await, []);
    third.say(ToWorker::Attach { term: 4 }).await;
    node.controller.say(ToWorker::Attach { term: 1 }).await;
    until("both are refused", || node.log().matches("led in an earlier term").count() == 2).await;
    second.assign(assignment(1, &job("true", "")), Some(&job("true", ""))).await;
    assert_eq!(*second.ended(1).await.end(), End::Succeeded);
    second.heartbeats(2).await;
    assert_eq!(third.lead(6).await, [(Fence(1), Phase::Finalizing)]);
    // Nothing came before that answer, which would have been the one to the lower term.
    assert_eq!(third.heard().len(), 0);
    assert_eq!(*third.ended(1).await.end(), End::Succeeded);
}

#[actix_rt::test]
async fn controllers_that_come_are_dialed_and_those_that_go_are_left() {
    let mut node = Node::new().await;
    let (mut second, mut third) = (node.controller.peer("c2"), node.controller.peer("c3"));
    node.run(1, "exec sleep 1000").await;
    node.controller.phase(1, Phase::Running).await;
    node.tell_addresses(&[node.controller.address(), second.address()]);
    second.connected().await;
    node.controller.heartbeats(1).await;
    assert_eq!(second.lead(2).await, [(Fence(1), Phase::Running)]);
    // The first is replaced; who leads is not disturbed.
    node.tell_addresses(&[second.address(), third.address()]);
    node.controller.closed().await;
    third.connected().await;
    second.say(ToWorker::Stop { fence: Fence(1), cause: StopCause::Canceled }).await;
    assert_eq!(*second.ended(1).await.end(), End::Stopped);
    // A file that names nobody is a slip, not an order.
    fs::write(&node.config.controller_file, "# soon\n").unwrap();
    until("it is told", || node.log().contains("names no controller")).await;
    second.heartbeats(1).await;
    // Even who leads is left when it is not named any more; the others are there already.
    node.tell_addresses(&[third.address()]);
    second.closed().await;
    assert_eq!(third.lead(3).await, [(Fence(1), Phase::Finalizing)]);
}

#[actix_rt::test]
async fn without_a_leader_there_is_silence_though_others_are_connected() {
    let (mut node, mut second, _third) = three().await;
    let told = node.path("told");
    let body =
        job(&format!("trap 'touch {}; exit 0' TERM; while :; do sleep 0.01; done", told.display()), "");
    let mut stops = assignment(1, &body);
    stops.on_disconnect = OnDisconnect::Stop;
    node.run_assignment(stops, Some(&body)).await;
    node.controller.phase(1, Phase::Running).await;
    node.run(2, "exec sleep 1000").await;
    node.controller.phase(2, Phase::Running).await;
    node.controller.vanish().await;
    until("it was told to stop", || told.exists()).await;
    let attempts = second.lead(2).await;
    assert_eq!(attempts.last(), Some(&(Fence(2), Phase::Running)));
    let ended = second.ended(1).await;
    assert_eq!(*ended.end(), End::Stopped);
    assert!(ended.notes().contains("no controller was heard"), "{}", ended.notes());
}

#[actix_rt::test]
async fn a_node_that_nobody_leads_leaves_though_controllers_are_connected() {
    let mut node = Node::prepared(|config| config.leave_after = 2);
    let mut second = node.controller.peer("c2");
    node.tell_addresses(&[node.controller.address(), second.address()]);
    node.start_agent();
    node.controller.connected().await;
    second.connected().await;
    assert!(node.agent_ends().await.success());
    second.closed().await;
    assert!(!node.has_keeper());
}

#[actix_rt::test]
async fn who_does_not_lead_reads_logs_all_the_same() {
    let (mut node, second, third) = three().await;
    let go = node.path("go");
    node.run(1, &waits(&go)).await;
    node.controller.phase(1, Phase::Running).await;
    let mut logs =
        [second.log(1, LogStream::Stdout, 0, true).await, third.log(1, LogStream::Stdout, 0, true).await];
    for log in &mut logs {
        assert_eq!(log.until("here\n").await, "here\n");
    }
    fs::write(&go, "").unwrap();
    for log in &mut logs {
        assert_eq!(log.rest().await.0, b"done\n");
    }
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
}

#[actix_rt::test]
async fn what_a_leader_no_longer_gives_is_fetched_from_the_next() {
    let (node, mut second, _third) = three().await;
    let source = node.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("data"), "fetched\n").unwrap();
    let code = node.controller.store_folder(&source);
    node.controller.bulk.mute.store(true, Ordering::Relaxed);
    node.run_job(1, &job("cat data", &format!(r#""code":"{code}""#))).await;
    until("it is asked for", || node.controller.bulk.asked.load(Ordering::Relaxed) > 0).await;
    // The former leader is there still, and does not answer.
    assert_eq!(second.lead(2).await, [(Fence(1), Phase::Preparing)]);
    let ended = second.ended(1).await;
    assert_eq!(second.stdout(&ended), "fetched\n");
    assert_eq!(node.controller.bulk.asked.load(Ordering::Relaxed), 1);
}

#[actix_rt::test]
async fn what_a_leader_no_longer_takes_is_stored_with_the_next() {
    let (node, mut second, _third) = three().await;
    node.controller.bulk.mute.store(true, Ordering::Relaxed);
    node.run(1, "head -c 5000000 /dev/zero | tr '\\0' x > outputs/large").await;
    until("it is offered", || node.controller.bulk.asked.load(Ordering::Relaxed) > 0).await;
    assert_eq!(second.lead(2).await, [(Fence(1), Phase::Finalizing)]);
    let ended = second.ended(1).await;
    assert_eq!(second.files(&ended.artifacts.default.unwrap())[0].1.len(), 5_000_000);
}

#[actix_rt::test]
async fn a_leader_that_reads_nothing_does_not_keep_the_next_waiting() {
    let (node, mut second, _third) = three().await;
    // More than the link and its queue hold: nobody takes what is said to the first.
    let body = job("head -c 200000 /dev/urandom", "");
    for fence in 1..=60 {
        node.run_job(fence, &body).await;
    }
    let reported = |fence: u64| node.attempt(fence).join("report").exists();
    until("all have ended", || (1..=60).all(reported)).await;
    assert_eq!(second.lead(2).await.len(), 60);
    for fence in 1..=60 {
        assert_eq!(*second.ended(fence).await.end(), End::Succeeded);
        second.acknowledge(fence).await;
    }
    until("all folders are gone", || fs::read_dir(node.config.folder.join("runs")).unwrap().count() == 0)
        .await;
}
