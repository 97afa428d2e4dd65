//! Agents, keepers and links die; runs do not, and none runs twice.

use std::fs;

use tidegate_scheduler::{
    ids::Fence,
    message::{End, Phase, StopCause, ToWorker},
};

use crate::node::{Node, job, lines, until};

/// Says that it runs, then waits for a file.
fn counted(node: &Node, count: &str) -> String {
    let (count, go) = (node.path(count), node.path("go"));
    format!(
        "echo $TIDEGATE_FENCE >> {}; while [ ! -e {} ]; do sleep 0.01; done; echo done; echo x > outputs/x",
        count.display(),
        go.display()
    )
}

#[actix_rt::test]
async fn a_run_survives_its_agent_and_is_taken_up_by_the_next() {
    let mut node = Node::new().await;
    let command = counted(&node, "count");
    node.run(1, &command).await;
    node.run(2, "echo early; exit 4").await;
    node.controller.phase(1, Phase::Running).await;
    assert_eq!(*node.controller.ended(2).await.end(), End::Exited { code: 4 });
    until("it runs", || lines(&node.path("count")) == 1).await;
    node.kill_agent();
    node.start_agent();
    let (incarnation, attempts) = node.controller.accept().await;
    assert_eq!(incarnation, node.incarnation);
    // An end that was not acknowledged is said again.
    assert_eq!(attempts, [(Fence(1), Phase::Running), (Fence(2), Phase::Finalizing)]);
    let second = node.controller.ended(2).await;
    assert_eq!(
        (second.end(), node.controller.stdout(&second).as_str()),
        (&End::Exited { code: 4 }, "early\n")
    );
    node.controller.acknowledge(2).await;
    fs::write(node.path("go"), "").unwrap();
    let first = node.controller.ended(1).await;
    assert_eq!((first.end(), node.controller.stdout(&first).as_str()), (&End::Succeeded, "done\n"));
    assert_eq!(
        node.controller.files(&first.artifacts.default.unwrap()),
        [("outputs/x".into(), "x\n".into())]
    );
    assert!(first.notes().contains("not mapped"), "what the first agent knew: {}", first.notes());
    assert_eq!(lines(&node.path("count")), 1);
    node.controller.acknowledge(1).await;
    until("their folders are gone", || !node.attempt(1).exists() && !node.attempt(2).exists()).await;
}

#[actix_rt::test]
async fn a_run_that_ends_while_there_is_no_agent_is_told_by_the_next() {
    let mut node = Node::new().await;
    node.run(1, &counted(&node, "count")).await;
    node.controller.phase(1, Phase::Running).await;
    until("it runs", || lines(&node.path("count")) == 1).await;
    node.kill_agent();
    fs::write(node.path("go"), "").unwrap();
    until("it has ended", || node.attempt(1).join("wd/outputs/x").exists()).await;
    node.start_agent();
    node.controller.accept().await;
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
    assert_eq!(lines(&node.path("count")), 1);
}

#[actix_rt::test]
async fn agents_killed_at_any_moment_lose_and_double_nothing() {
    let mut node = Node::new().await;
    let seed = std::process::id();
    println!("seed {seed}");
    let mut state = u64::from(seed);
    let count = node.path("count");
    let body = job(&format!("echo $TIDEGATE_FENCE >> {}", count.display()), "");
    let mut open: Vec<u64> = (1..=60).collect();
    for round in 0..8 {
        // As a leader does: what the node does not know of is sent again.
        for fence in &open {
            node.run_job(*fence, &body).await;
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ends = if round == 7 { open.len() } else { (state >> 33) as usize % 9 };
        let mut ended = Vec::new();
        while ended.len() < ends {
            let fence = node.controller.any_end().await;
            if open.contains(&fence) && !ended.contains(&fence) {
                ended.push(fence);
            }
            node.controller.acknowledge(fence).await;
        }
        open.retain(|fence| !ended.contains(fence));
        node.kill_agent();
        node.start_agent();
        let (_, known) = node.controller.accept().await;
        // Acknowledged, but the agent died before it read that.
        for (fence, _) in known.iter().filter(|(fence, _)| !open.contains(&fence.0)) {
            node.controller.say(ToWorker::Stop { fence: *fence, cause: StopCause::Superseded }).await;
        }
    }
    assert_eq!(open, [0; 0]);
    let mut ran: Vec<u64> =
        fs::read_to_string(&count).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    ran.sort_unstable();
    assert_eq!(ran, (1..=60).collect::<Vec<_>>(), "each ran once");
}

#[actix_rt::test]
async fn sigterm_ends_the_agent_and_not_the_run() {
    let mut node = Node::new().await;
    node.run(1, &counted(&node, "count")).await;
    node.controller.phase(1, Phase::Running).await;
    node.signal_agent(rustix::process::Signal::TERM);
    assert!(node.agent_ends().await.success());
    assert!(node.has_keeper());
    node.start_agent();
    assert_eq!(node.controller.accept().await.1, [(Fence(1), Phase::Running)]);
    fs::write(node.path("go"), "").unwrap();
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
    assert_eq!(lines(&node.path("count")), 1);
}

#[actix_rt::test]
async fn what_ran_under_a_keeper_that_died_is_lost_by_the_system() {
    let mut node = Node::new().await;
    node.run(1, "sleep 1000").await;
    node.controller.phase(1, Phase::Running).await;
    node.kill_keeper();
    let ended = node.controller.ended(1).await;
    assert!(matches!(ended.end(), End::System { .. }), "{:?}", ended.end());
    node.run(2, "echo again").await;
    let ended = node.controller.ended(2).await;
    assert_eq!(node.controller.stdout(&ended), "again\n");
}

#[actix_rt::test]
async fn an_end_is_said_again_on_every_link_until_it_is_acknowledged() {
    let mut node = Node::new().await;
    node.run(1, "echo kept; head -c 20000 /dev/zero | tr '\\0' x > outputs/x").await;
    for _ in 0..3 {
        let ended = node.controller.ended(1).await;
        assert_eq!(node.controller.stdout(&ended), "kept\n");
        assert_eq!(node.controller.files(&ended.artifacts.default.unwrap())[0].1.len(), 20000);
        node.controller.hang_up();
        assert_eq!(node.controller.accept().await.1, [(Fence(1), Phase::Finalizing)]);
    }
    node.controller.acknowledge(1).await;
    until("its folder is gone", || !node.attempt(1).exists()).await;
    node.controller.hang_up();
    assert_eq!(node.controller.accept().await.1, []);
}

#[actix_rt::test]
async fn a_controller_that_moves_is_found_and_runs_go_on_meanwhile() {
    let mut node = Node::new().await;
    node.run(1, &counted(&node, "count")).await;
    node.controller.phase(1, Phase::Running).await;
    node.controller.vanish().await;
    fs::write(node.path("go"), "").unwrap();
    until("it has ended", || node.attempt(1).join("wd/outputs/x").exists()).await;
    node.controller.reappear();
    node.tell_address();
    assert_eq!(node.controller.accept().await.1.len(), 1);
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
}

#[actix_rt::test]
async fn a_superseded_attempt_is_stopped_and_cleared_away() {
    let mut node = Node::new().await;
    node.run(1, "exec sleep 1000").await;
    node.controller.phase(1, Phase::Running).await;
    node.kill_agent();
    node.start_agent();
    assert_eq!(node.controller.accept().await.1, [(Fence(1), Phase::Running)]);
    node.controller.say(ToWorker::Stop { fence: Fence(1), cause: StopCause::Superseded }).await;
    assert_eq!(*node.controller.ended(1).await.end(), End::Stopped);
    node.controller.acknowledge(1).await;
    until("its folder is gone", || !node.attempt(1).exists()).await;
}

#[actix_rt::test]
async fn a_second_agent_on_the_same_folder_is_refused() {
    let mut node = Node::new().await;
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_tidegate-agent"));
    let output = second.arg("agent").arg(node.path("worker.toml")).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("in use"), "{output:?}");
    node.run(1, "true").await;
    assert_eq!(*node.controller.ended(1).await.end(), End::Succeeded);
}
