//! How runs end.

use std::fs;

use tidegate_scheduler::{
    ids::Fence,
    message::{End, Phase, StopCause, ToWorker},
};

use crate::node::{Node, job, until};

#[actix_rt::test]
async fn codes_and_signals_are_told() {
    let mut node = Node::new().await;
    let ends = [
        ("exit 3", End::Exited { code: 3 }),
        ("false", End::Exited { code: 1 }),
        ("/bin/false", End::Exited { code: 1 }),
        ("kill -SEGV $$", End::Signaled { signal: 11, out_of_memory: false }),
        ("false\ntrue", End::Succeeded),
        ("no-such-program x", End::Exited { code: 127 }),
        ("/etc/passwd", End::Exited { code: 126 }),
    ];
    for (fence, (command, end)) in ends.into_iter().enumerate() {
        let fence = fence as u64 + 1;
        node.run(fence, command).await;
        let ended = node.controller.ended(fence).await;
        assert_eq!(*ended.end(), end, "{command}");
        if end == (End::Exited { code: 127 }) {
            assert!(node.controller.stderr(&ended).contains("no-such-program"));
        }
    }
}

#[actix_rt::test]
async fn what_takes_too_long_is_ended() {
    let mut node = Node::new().await;
    node.run_job(1, &job("sleep 1000", r#""limits":{"timeout":1}"#)).await;
    assert_eq!(*node.controller.ended(1).await.end(), End::TimedOut);
}

#[actix_rt::test]
async fn what_is_stopped_may_say_goodbye() {
    let mut node = Node::new().await;
    node.run(1, "trap 'echo bye > outputs/bye; exit 0' TERM; echo on; while :; do sleep 0.01; done").await;
    node.controller.phase(1, Phase::Running).await;
    node.controller.log(1, tidegate_store::wire::LogStream::Stdout, 0, true).await.until("on").await;
    node.controller.say(ToWorker::Stop { fence: Fence(1), cause: StopCause::Canceled }).await;
    let ended = node.controller.ended(1).await;
    assert_eq!(*ended.end(), End::Stopped);
    assert_eq!(
        node.controller.files(&ended.artifacts.default.unwrap()),
        [("outputs/bye".into(), "bye\n".into())]
    );
}

#[actix_rt::test]
async fn what_is_being_prepared_can_be_stopped() {
    let mut node = Node::new().await;
    // Its code is nowhere, and is asked for again and again while the controller refuses.
    let body = job("true", "");
    let id = tidegate_store::Digest::of(body.as_bytes());
    node.controller.say(ToWorker::Start(Box::new(crate::node::assignment(1, &body)))).await;
    node.controller.say(ToWorker::Stop { fence: Fence(1), cause: StopCause::Canceled }).await;
    let ended = node.controller.ended(1).await;
    let missing = matches!(ended.end(), End::System { reason } if reason.contains(&id.to_string()));
    assert!(*ended.end() == End::Stopped || missing, "{:?}", ended.end());
}

#[actix_rt::test]
async fn what_cannot_start_says_why() {
    let mut node = Node::new().await;
    let jobs = [
        (job("true", r#""inputs":{"d":{"path":"./here"}}"#), "not the address of an uploaded"),
        (job("true ${{inputs.none}}", ""), "inputs.none"),
        (job(&format!("true {}", "x".repeat(200_000)), ""), "put long texts into a file"),
        ("nonsense".to_owned(), "specification"),
        (
            job("true", r#""distribution":{"type":"pytorch","process_count_per_instance":2}"#),
            "more than one process",
        ),
    ];
    for (fence, (body, told)) in jobs.into_iter().enumerate() {
        let fence = fence as u64 + 1;
        node.run_job(fence, &body).await;
        let ended = node.controller.ended(fence).await;
        let End::CannotStart { reason } = ended.end() else { panic!("{:?}", ended.end()) };
        assert!(reason.contains(told), "{reason}");
        assert_eq!(ended.report.started.0, 0);
        node.controller.acknowledge(fence).await;
    }
    until("nothing is left", || fs::read_dir(node.config.folder.join("runs")).unwrap().count() == 0).await;
}

#[actix_rt::test]
async fn contents_that_are_nowhere_are_the_systems_fault() {
    let mut node = Node::new().await;
    let nowhere = tidegate_store::Digest::of(b"nowhere");
    node.run_job(1, &job("true", &format!(r#""code":"tree:{nowhere}""#))).await;
    let End::System { reason } = node.controller.ended(1).await.report.end else { panic!() };
    assert!(reason.contains(&nowhere.to_string()), "{reason}");
}

#[actix_rt::test]
async fn a_released_node_stops_everything_and_leaves_nothing() {
    let mut node = Node::new().await;
    node.run(1, "exec sleep 1000").await;
    node.run(2, "trap '' TERM; while :; do sleep 0.01; done").await;
    node.controller.phase(1, Phase::Running).await;
    node.controller.phase(2, Phase::Running).await;
    assert!(node.has_keeper());
    node.controller.say(ToWorker::Leave).await;
    assert!(node.agent_ends().await.success());
    assert!(!node.has_keeper());
    assert!(
        !node.config.folder.exists(),
        "{:?}",
        fs::read_dir(&node.config.folder).unwrap().collect::<Vec<_>>()
    );
}

#[actix_rt::test]
async fn a_node_without_a_controller_stops_what_says_so_and_leaves_in_the_end() {
    let mut node = Node::with(|config| config.leave_after = 6).await;
    let body = job("trap 'exit 0' TERM; while :; do sleep 0.01; done", "");
    let mut stops = crate::node::assignment(1, &body);
    stops.on_disconnect = tidegate_scheduler::command::OnDisconnect::Stop;
    node.run_assignment(stops, Some(&body)).await;
    node.controller.phase(1, Phase::Running).await;
    node.controller.vanish().await;
    // Nothing runs any more once it was stopped; its result stays.
    assert!(node.agent_ends().await.success());
    assert!(!node.has_keeper());
    assert!(node.attempt(1).join("report").exists() || node.attempt(1).join("assignment").exists());
    node.controller.reappear();
    node.tell_address();
    node.start_agent();
    let (_, attempts) = node.controller.accept().await;
    assert_eq!(attempts, [(Fence(1), Phase::Finalizing)]);
    let ended = node.controller.ended(1).await;
    assert_eq!(*ended.end(), End::Stopped);
}
