//! Agents come and go; the runs go on.

use tidegate_worker::keeper::{
    client::KeeperHandle,
    protocol::{AttemptStatus, Outcome, Phase, ToKeeper},
};
use tokio::{io::AsyncReadExt, net::UnixStream, time::timeout};

use crate::node::{self, Cgroups, Node, PATIENCE, alive};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_comes_back_finds_what_runs_and_what_has_ended() {
    let mut node = Node::new(Cgroups::With).await;
    let (running, ending) =
        (node.shell(1, "exec sleep 1000"), node.shell(2, "while [ ! -e go ]; do sleep 0.01; done; exit 9"));
    node.start(running).await;
    node.start(ending).await;
    let keeper = node.agent.pid;
    let (first, second) = (node.started(1).await, node.started(2).await);
    node.agent_vanishes().await;
    std::fs::write(node.path("go"), "").unwrap();
    node::until("the second has ended", || !alive(second));
    node.reconnect().await;
    assert_eq!(node.agent.pid, keeper);
    assert_eq!(node.exit_from_list(2).await.outcome, Outcome::Code(9));
    assert!(matches!(node.list().await[0].phase, Phase::Running { pid, .. } if pid == first));
    assert!(alive(first));
    node.agent.send(&ToKeeper::Forget { fences: vec![1, 2] }).await.unwrap();
    let listed: Vec<AttemptStatus> = node.list().await;
    // What runs is not forgotten.
    assert_eq!(listed.iter().map(|status| status.fence).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_second_start_of_a_fence_is_answered_and_starts_nothing() {
    let mut node = Node::new(Cgroups::With).await;
    let request = node.shell(1, "echo once; while [ ! -e go ]; do sleep 0.01; done");
    for _ in 0..10 {
        node.start(request.clone()).await;
    }
    let pid = node.started(1).await;
    node.start(request.clone()).await;
    std::fs::write(node.path("go"), "").unwrap();
    let exit = node.exit(1).await;
    let heard = node.exits_heard;
    node.start(request).await;
    while node.exits_heard == heard {
        node.list().await;
    }
    assert_eq!(node.exit(1).await, exit);
    assert_eq!(node.started(1).await, pid);
    assert_eq!(node.text("1.out"), "once\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_new_agent_takes_the_place_of_the_old_one() {
    let mut node = Node::new(Cgroups::With).await;
    let mut second = KeeperHandle::connect(node.folder.path()).await.unwrap().expect("a keeper is there");
    assert_eq!(timeout(PATIENCE, node.agent.next()).await.unwrap(), None);
    second.send(&ToKeeper::List).await.unwrap();
    assert!(timeout(PATIENCE, second.next()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_no_agent_is_hung_up_on_and_does_not_disturb() {
    let mut node = Node::new(Cgroups::With).await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 1, 0xa4, 0, 0, 0]] {
        let mut stream = UnixStream::connect(node.path("keeper.sock")).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, bytes).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        assert!(answer.is_empty());
    }
    assert_eq!(node.run(1, "exit 4").await.outcome, Outcome::Code(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_socket_is_its_owners_alone() {
    let node = Node::new(Cgroups::With).await;
    for file in ["keeper.sock", "keeper.journal", "keeper.lock", "keeper.log"] {
        let metadata = std::fs::metadata(node.path(file)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_agents_at_once_start_one_keeper() {
    let mut node = Node::new(Cgroups::With).await;
    node.dismiss();
    let folder = node.folder.path().to_owned();
    let launch = node.launch();
    let start = || KeeperHandle::connect_or_start(&folder, &launch);
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one.unwrap().pid, two.unwrap().pid);
    node.reconnect().await;
    assert_eq!([one, two], [node.agent.pid; 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_agent_that_reads_nothing_blocks_nobody() {
    let mut node = Node::new(Cgroups::With).await;
    for fence in 0..20 {
        node.run(fence, "exit 0").await;
    }
    node.agent_vanishes().await;
    // Asks much and reads nothing, until the socket is full.
    let deaf = UnixStream::connect(node.path("keeper.sock")).await.unwrap();
    deaf.writable().await.unwrap();
    let mut asks = node::frames(&[ToKeeper::Hello { version: 1 }]);
    asks.extend(node::frames(&vec![ToKeeper::List; 2_000]));
    let run = node.shell(100, "echo ran > ran");
    asks.extend(node::frames(&[ToKeeper::Start(run)]));
    let mut deaf = deaf;
    tokio::io::AsyncWriteExt::write_all(&mut deaf, &asks).await.unwrap();
    node::until("the run has run", || node.path("ran").exists());
    node.reconnect().await;
    assert_eq!(node.exit_from_list(100).await.outcome, Outcome::Code(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_not_there_when_an_agent_asks_is_not_begun_for_the_one_before_it() {
    let mut node = Node::new(Cgroups::With).await;
    let fences = |listed: Vec<AttemptStatus>| listed.iter().map(|one| one.fence).collect::<Vec<_>>();
    for round in 1..=20 {
        // An agent that dies with orders on their way.
        let mut asks = node::frames(&[ToKeeper::Hello { version: 1 }]);
        asks.extend(node::frames(&vec![ToKeeper::List; 1_000]));
        asks.extend(node::frames(&[ToKeeper::Start(node.shell(round, "exit 0"))]));
        let mut dying = UnixStream::connect(node.path("keeper.sock")).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut dying, &asks).await.unwrap();
        drop(dying);
        node.reconnect().await;
        let found = fences(node.list().await);
        // By now whatever was left unread has been read.
        node.run(1000 + round, "exit 0").await;
        let mut then = fences(node.list().await);
        then.retain(|fence| *fence != 1000 + round);
        assert_eq!(then, found);
        node.agent.send(&ToKeeper::Forget { fences: (1..2000).collect() }).await.unwrap();
    }
}
