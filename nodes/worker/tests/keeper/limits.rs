//! Limits that the kernel enforces.

use tidegate_worker::keeper::protocol::{Limits, Outcome};

use crate::node::{Cgroups, Node};

/// Keeps 200 MiB in memory: what comes last is known at the end alone.
const HUNGRY: &str =
    "rm -f pipe; mkfifo pipe; head -c 300M /dev/zero > pipe & exec tail -c 200M < pipe > /dev/null";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn more_memory_than_allowed_is_killed_and_said() {
    let Some(mut node) = Node::confined("more_memory_than_allowed_is_killed_and_said").await else {
        return;
    };
    let mut request = node.shell(1, HUNGRY);
    request.limits.memory_bytes = Some(64 << 20);
    node.start(request.clone()).await;
    let exit = node.exit(1).await;
    assert_eq!((exit.outcome, exit.oom_killed), (Outcome::Signal(libc::SIGKILL), true));
    // The same slot, with the limit lowered, raised, and taken away.
    for (fence, limit) in [(2, Some(32 << 20)), (3, Some(400 << 20)), (4, None), (5, Some(64 << 20))] {
        let mut request = request.clone();
        request.fence = fence;
        request.limits.memory_bytes = limit;
        node.start(request).await;
        let killed = limit.is_some_and(|limit: u64| limit < 200 << 20);
        let exit = node.exit(fence).await;
        assert_eq!(exit.oom_killed, killed, "{exit:?}");
        let outcome = if killed { Outcome::Signal(libc::SIGKILL) } else { Outcome::Code(0) };
        assert_eq!(exit.outcome, outcome, "{limit:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_child_killed_for_memory_is_said_though_the_command_goes_on() {
    let Some(mut node) = Node::confined("a_child_killed_for_memory_is_said").await else {
        return;
    };
    let mut request = node.shell(1, &format!("({HUNGRY}); exit 0"));
    request.limits.memory_bytes = Some(64 << 20);
    node.start(request).await;
    let exit = node.exit(1).await;
    assert_eq!((exit.outcome, exit.oom_killed), (Outcome::Code(0), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_more_processes_than_allowed() {
    let Some(mut node) = Node::confined("no_more_processes_than_allowed").await else {
        return;
    };
    let mut request = node.shell(1, "i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); echo $i; done");
    request.limits.pids = Some(8);
    node.start(request).await;
    node.exit(1).await;
    // The shell and seven more.
    assert_eq!(node.text("1.out"), "1\n2\n3\n4\n5\n6\n7\n");
    assert!(node.text("1.err").contains("fork"), "{}", node.text("1.err"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_more_cpu_than_allowed() {
    let Some(mut node) = Node::confined("no_more_cpu_than_allowed").await else {
        return;
    };
    let mut request = node.shell(1, "while :; do :; done");
    request.timeout_ms = Some(1500);
    request.limits = Limits { cpu_milli: Some(200), ..Limits::default() };
    node.start(request).await;
    let exit = node.exit(1).await;
    let wall = exit.ended_unix_us - exit.started_unix_us;
    // A fifth of the time, with room for the borders of the periods.
    assert!(exit.cpu_us * 10 < wall * 4, "{} us of CPU in {wall} us", exit.cpu_us);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_cgroups_it_says_that_nothing_is_enforced() {
    let node = Node::new(Cgroups::Without).await;
    let confinement = &node.agent.confinement;
    assert_eq!(confinement.mechanism, "none");
    assert!(!confinement.memory && !confinement.cpu && !confinement.pids);
    assert!(confinement.notes.iter().any(|note| note.contains("not enforced")), "{confinement:?}");
}
