//! Stops and timeouts: everything of a run goes, whatever it does to stay.

use std::path::Path;

use tidegate_worker::keeper::protocol::{Cause, Outcome, ToKeeper};

use crate::node::{self, Cgroups, Node, alive, number_in};

/// Starts processes that get away from their session in three ways, waits until they are there.
const ESCAPE: &str = "
    setsid sh -c 'echo $$ > escaped-1; exec sleep 1000' &
    sh -c 'setsid sh -c \"echo \\$\\$ > escaped-2; trap : TERM HUP INT; while :; do sleep 1; done\" & exit 0'
    (setsid env -i /bin/sh -c 'echo $$ > escaped-3; exec /bin/sleep 1000' > /dev/null 2>&1 &)
    while [ ! -s escaped-1 ] || [ ! -s escaped-2 ] || [ ! -s escaped-3 ]; do sleep 0.01; done
";

fn escaped(folder: &Path) -> Vec<u32> {
    (1..=3).map(|n| number_in(&folder.join(format!("escaped-{n}")))).collect()
}

fn assert_gone(pids: &[u32]) {
    for &pid in pids {
        assert!(!alive(pid), "process {pid} of {pids:?} lives");
    }
}

async fn stop(node: &Node, fence: u64, grace_ms: u64) {
    let cause = Cause::Stopped;
    node.agent.send(&ToKeeper::Stop { fence, grace_ms, cause }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_gets_away_is_killed_after_a_natural_end() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let exit = node.run(1, &format!("{ESCAPE} exit 5")).await;
        assert_gone(&escaped(node.folder.path()));
        assert_eq!((exit.outcome, exit.cause), (Outcome::Code(5), Cause::Natural));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_gets_away_is_killed_on_stop() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let request = node.shell(1, &format!("{ESCAPE} echo $$ > ready; exec sleep 1000"));
        node.start(request).await;
        let main = number_in(&node.path("ready"));
        assert_eq!(node.started(1).await, main);
        stop(&node, 1, 100).await;
        let exit = node.exit(1).await;
        assert_gone(&escaped(node.folder.path()));
        assert!(!alive(main));
        assert_eq!((exit.outcome, exit.cause), (Outcome::Signal(libc::SIGTERM), Cause::Stopped));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_runs_processes_are_left_alone() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let request = node.shell(1, &format!("{ESCAPE} echo $$ > ready; exec sleep 1000"));
        node.start(request).await;
        number_in(&node.path("ready"));
        let others = escaped(node.folder.path());
        for fence in 2..6 {
            node.run(fence, "sleep 0.01 & exit 0").await;
        }
        assert!(others.iter().all(|&pid| alive(pid)), "{cgroups:?}");
        stop(&node, 1, 0).await;
        node.exit(1).await;
        assert_gone(&others);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_that_ignores_sigterm_is_killed_after_its_grace() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let request = node.shell(1, "trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done");
        node.start(request).await;
        number_in(&node.path("ready"));
        stop(&node, 1, 300).await;
        let exit = node.exit(1).await;
        assert_eq!((exit.outcome, exit.cause), (Outcome::Signal(libc::SIGKILL), Cause::Stopped));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_shorter_grace_overtakes_a_longer_one() {
    let mut node = Node::new(Cgroups::With).await;
    let request = node.shell(1, "trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done");
    node.start(request).await;
    number_in(&node.path("ready"));
    stop(&node, 1, 3_600_000).await;
    stop(&node, 1, 0).await;
    assert_eq!(node.exit(1).await.outcome, Outcome::Signal(libc::SIGKILL));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_child_of_the_command_uses_the_grace_period_too() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        // The shell dies of SIGTERM at once; the program that it waits for saves its work first.
        let line = "sh -c 'trap \"sleep 0.3; echo saved > checkpoint; exit 0\" TERM; echo $$ > ready; while :; do sleep 0.05; done'; echo not reached";
        let request = node.shell(1, line);
        node.start(request).await;
        number_in(&node.path("ready"));
        stop(&node, 1, 30_000).await;
        let exit = node.exit(1).await;
        assert_eq!((exit.outcome, exit.cause), (Outcome::Signal(libc::SIGTERM), Cause::Stopped));
        assert_eq!(node.text("checkpoint"), "saved\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_fork_bomb_ends() {
    let Some(mut node) = Node::confined("a_fork_bomb_ends").await else {
        return;
    };
    let script = "
import os
print(os.getpid(), file=open('ready', 'w'), flush=True)
while True:
    try: os.fork()
    except OSError: pass
";
    let mut bomb = node.shell(1, "");
    bomb.argv = ["python3", "-c", script].map(str::to_owned).into();
    bomb.limits.pids = Some(100);
    node.start(bomb).await;
    number_in(&node.path("ready"));
    stop(&node, 1, 200).await;
    assert_eq!(node.exit(1).await.cause, Cause::Stopped);
    assert_eq!(node.run(2, "exit 0").await.outcome, Outcome::Code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn its_time_is_over_though_no_agent_is_there() {
    for cgroups in [Cgroups::With, Cgroups::Without] {
        let mut node = Node::new(cgroups).await;
        let mut request = node.shell(1, "trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done");
        request.timeout_ms = Some(500);
        request.grace_ms = 100;
        node.start(request).await;
        let pid = node.started(1).await;
        node.agent_vanishes().await;
        node::until("the run is dead", || !alive(pid));
        node.reconnect().await;
        let exit = node.exit_from_list(1).await;
        // A slow machine may not have come to the trap yet.
        let outcome = [Outcome::Signal(libc::SIGKILL), Outcome::Signal(libc::SIGTERM)];
        assert!(outcome.contains(&exit.outcome) && exit.cause == Cause::TimedOut, "{exit:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stop_right_behind_a_start_is_not_lost() {
    let mut node = Node::new(Cgroups::With).await;
    for fence in 0..50 {
        let request = node.shell(fence, "exec sleep 1000");
        node.start(request).await;
        stop(&node, fence, 5_000).await;
    }
    for fence in 0..50 {
        let exit = node.exit(fence).await;
        assert_eq!((exit.outcome, exit.cause), (Outcome::Signal(libc::SIGTERM), Cause::Stopped));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_keeper_told_to_leave_stops_its_runs_and_a_later_one_tells_their_ends() {
    let mut node = Node::new(Cgroups::With).await;
    let request = node.shell(1, "exec sleep 1000");
    node.start(request).await;
    let pid = node.started(1).await;
    node.agent.send(&ToKeeper::Shutdown).await.unwrap();
    node.exit(1).await;
    assert!(!alive(pid));
    let keeper = node.agent.pid;
    node::until("the keeper has left", || !alive(keeper));
    assert!(!node.path("keeper.sock").exists());
    node.reconnect().await;
    assert_eq!(node.exit_from_list(1).await.cause, Cause::Stopped);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_keeper_that_nobody_needs_leaves_and_an_agent_or_a_run_keeps_it() {
    let mut node = Node::with(Cgroups::With, &["--linger-ms", "300"]).await;
    let keeper = node.agent.pid;
    assert_eq!(node.run(1, "sleep 1; exit 4").await.outcome, Outcome::Code(4));
    let request = node.shell(2, "sleep 1; echo lived > lived");
    node.start(request).await;
    node.started(2).await;
    node.agent_vanishes().await;
    node::until("the keeper has left", || !alive(keeper));
    assert_eq!(node.text("lived"), "lived\n");
    assert_eq!(node::cgroups_of(node.folder.path()), Vec::<std::path::PathBuf>::new());
    node.reconnect().await;
    assert_eq!(node.exit_from_list(1).await.outcome, Outcome::Code(4));
    assert_eq!(node.exit_from_list(2).await.outcome, Outcome::Code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slot_idle_for_long_is_removed_and_made_again() {
    let mut node = Node::with(Cgroups::With, &["--slot-idle-ms", "100"]).await;
    for round in 0..3 {
        for fence in 0..4 {
            let request = node.shell(round * 4 + fence, "sleep 0.2");
            node.start(request).await;
        }
        for fence in 0..4 {
            node.exit(round * 4 + fence).await;
        }
        node::until("the slots are gone", || {
            let roots = node::cgroups_of(node.folder.path());
            let groups = roots.iter().flat_map(|root| std::fs::read_dir(root).unwrap().flatten());
            groups.filter(|entry| entry.file_name().to_string_lossy().starts_with("slot-")).count() == 0
        });
        let tasks = std::fs::read_dir(format!("/proc/{}/task", node.agent.pid)).unwrap().flatten();
        let name =
            |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        assert!(!tasks.map(name).any(|name| name.starts_with("slot-")));
    }
}
