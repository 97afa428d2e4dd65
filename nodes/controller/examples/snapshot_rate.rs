//! How long it takes to save, send and load the state of a large cluster, and how long the leader's core is held up by
//! it: two controllers lead a cluster of that size under load, and a third one joins that has nothing.
//!
//! ```text
//! cargo run --release -p tidegate-controller --example snapshot_rate -- [RUNS] [NODES]
//! ```

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tidegate_controller::disk::{DataFolder, DurableLog, LogOptions, SnapshotStore};
use tidegate_controller::{Controller, ControllerConfig, JoinBundle, Running, found, start};
use tidegate_scheduler::command::{ClientCommand, Command, Entry, Observation, PlanCommand, PoolSettings};
use tidegate_scheduler::consensus::{HardState, Members, SnapshotPoint};
use tidegate_scheduler::ids::{NodeId, PoolId, RunId, Slot};
use tidegate_scheduler::time::{Millis, WallMicros};
use tidegate_scheduler::{Limits, Loaded, State};
use tidegate_store::{BlobStore, History, StoreOptions};

const AT_ONCE: usize = 4096;

/// One of many runs.
fn run(name: &str) -> ClientCommand {
    support::submit(name, &format!("{{\"command\":\"true\",\"name\":\"{name}\"}}"))
}

/// A pool of so many nodes.
fn pool(nodes: u32) -> ClientCommand {
    let ClientCommand::ApplyPool(settings) = support::pool() else { unreachable!("it is a pool's settings") };
    ClientCommand::ApplyPool(Box::new(PoolSettings { max_instances: nodes, ..*settings }))
}

/// A cluster with every node at work, and all other runs queued.
fn large_state(runs: u64, nodes: u64) -> State {
    let mut state = State::founded(&[1, 2, 3]);
    let mut apply = |commands: Vec<Command>| {
        let entry = Entry { now: state.now(), wall: WallMicros(1), commands };
        state.apply(state.applied() + 1, &entry);
    };
    let client = |command| Command::Client { key: None, command };
    apply(vec![client(pool(nodes as u32))]);
    apply((0..nodes).map(|_| Command::Plan(PlanCommand::RequestNode { pool: PoolId(1) })).collect());
    let ready = |node| Command::Observed(Observation::NodeReady { node: NodeId(node), incarnation: node });
    apply((1..=nodes).map(ready).collect());
    let all: Vec<u64> = (1..=runs + nodes).collect();
    for part in all.chunks(AT_ONCE) {
        apply(part.iter().map(|n| client(run(&format!("run-{n}")))).collect());
    }
    let begin = |n| {
        let slot = Slot { run: RunId(n), element: 0 };
        Command::Plan(PlanCommand::Start { slot, node: NodeId(n) })
    };
    apply((1..=nodes).map(begin).collect());
    state
}

fn limits() -> Limits {
    // Nobody works on the nodes, and that is not what is measured.
    Limits { lost_after: Millis::seconds(3600), entries_per_snapshot: u64::MAX, ..Limits::default() }
}

fn config(data: &Path, listen: SocketAddr) -> ControllerConfig {
    ControllerConfig { listen, log: LogOptions::default(), ..support::config(data, limits()) }
}

/// Makes a founder's folder as it would be after a life with this state.
fn plant(data: &Path, bundle: &JoinBundle, image: &[u8], point: &SnapshotPoint) {
    bundle.install(data).expect("an empty folder");
    let folder = DataFolder::open(data).expect("a data folder");
    SnapshotStore::of(&folder).save(point, image).expect("room for a snapshot");
    let (mut log, _) = DurableLog::open(&folder, Default::default()).expect("an empty log");
    let hard_state = HardState { term: point.term, vote: 0, commit: point.index };
    log.restart_after(point, hard_state).expect("a log that begins there");
    let blobs = BlobStore::open(folder.store().join("blobs"), StoreOptions::default()).expect("a store");
    let history = History::open(&folder.store().join("history.db"), blobs).expect("a history");
    history.mark(point.index).expect("a history that has come so far");
}

async fn leader(running: &[Running]) -> Controller {
    loop {
        for one in running {
            if one.controller.leadership().borrow().leading {
                return one.controller.clone();
            }
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|word| word.parse::<u64>().expect("a number"));
    let runs = arguments.next().unwrap_or(1_000_000);
    let nodes = arguments.next().unwrap_or(10_000);
    let began = Instant::now();
    let state = large_state(runs, nodes);
    println!("state of {runs} queued runs and {nodes} nodes at work: made in {:.1?}", began.elapsed());
    let began = Instant::now();
    let image = state.encode();
    println!("encoded: {} bytes in {:.1?}", image.len(), began.elapsed());
    let began = Instant::now();
    drop(Loaded::decode(&image).expect("what was encoded"));
    println!("decoded and indexed in {:.1?}", began.elapsed());

    let temp = tempfile::tempdir().expect("a temporary folder");
    let sockets: Vec<UdpSocket> =
        (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a free port")).collect();
    let at: Vec<SocketAddr> = sockets.iter().map(|s| s.local_addr().expect("an address")).collect();
    drop(sockets);
    let names: Vec<String> = at.iter().map(ToString::to_string).collect();
    let bundles = found("large", &names).expect("certificates");
    let members = Members::of(&[1, 2, 3]);
    let point = SnapshotPoint { index: state.applied(), term: 1, members };
    let folder = |n: usize| temp.path().join(format!("c{n}"));
    for n in 1..=2 {
        plant(&folder(n), &bundles[n - 1], &image, &point);
    }
    bundles[2].install(&folder(3)).expect("an empty folder");
    drop((state, image));
    actix::System::new().block_on(measure([folder(1), folder(2), folder(3)].to_vec(), at, temp.path()));
}

async fn measure(folders: Vec<std::path::PathBuf>, at: Vec<SocketAddr>, temp: &Path) {
    let began = Instant::now();
    let first = start(config(&folders[0], at[0])).await.expect("a controller");
    let second = start(config(&folders[1], at[1])).await.expect("a controller");
    let running = vec![first, second];
    let leads = leader(&running).await;
    println!("two controllers started from it, and one leads: {:.1?}", began.elapsed());
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load = actix_rt::spawn(load(leads.clone(), stop.clone(), accepted.clone()));
    let spent = Instant::now();
    let mut quiet = Duration::ZERO;
    leads.longest_step().await.expect("a core");
    while spent.elapsed() < Duration::from_secs(3) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        quiet = quiet.max(leads.longest_step().await.expect("a core"));
    }
    println!(
        "under load alone: {} accepted/s, longest step {quiet:.1?}",
        accepted.load(Ordering::Relaxed) / 3
    );

    let began = Instant::now();
    let fork = leads.read(|core| (core.state().fork(), core.state().applied())).await.expect("a fork");
    let forked = began.elapsed();
    let path = temp.join("saved");
    let saving = actix_rt::task::spawn_blocking(move || {
        let (state, index) = fork;
        let folder = DataFolder::open(path).expect("a data folder");
        let point = SnapshotPoint { index, term: 1, members: Members::of(&[1, 2, 3]) };
        SnapshotStore::of(&folder).save(&point, state.encode().as_slice()).expect("room for a snapshot");
    });
    saving.await.expect("a snapshot");
    let longest = leads.longest_step().await.expect("a core");
    println!(
        "forked in {forked:.1?}; saved and synced in {:.1?}; longest step {longest:.1?}",
        began.elapsed()
    );

    let began = Instant::now();
    let before = accepted.load(Ordering::Relaxed);
    let third = start(config(&folders[2], at[2])).await.expect("a controller");
    loop {
        let applied = third.controller.read(|core| core.state().applied()).await.expect("a core");
        if applied > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = began.elapsed();
    third.controller.readable().await.expect("a core");
    let longest = leads.longest_step().await.expect("a core");
    let during = accepted.load(Ordering::Relaxed) - before;
    println!(
        "an empty controller started, was sent the snapshot, loaded it: {took:.1?}, and had all that was \
         accepted meanwhile after {:.1?}; {during} submissions accepted meanwhile; leader's longest step {longest:.1?}",
        began.elapsed()
    );
    stop.store(true, Ordering::Relaxed);
    load.await.expect("the load ends");
    println!("longest pause of the core's step: {:.1?} (target 50 ms)", longest.max(quiet));
    for one in running.into_iter().chain([third]) {
        one.stop().await;
    }
}

/// Submits one run after another.
async fn load(controller: Controller, stop: Arc<AtomicBool>, accepted: Arc<AtomicU64>) {
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        if controller.ask(None, run(&format!("more-{n}"))).await.is_ok() {
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    }
}
