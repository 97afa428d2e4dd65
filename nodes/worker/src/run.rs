//! Starting a worker's agent, and waiting for its end.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::Actor;
use tidegate_scheduler::time::Millis;
use tidegate_store::{FolderLock, node_wire::NodeHello};
use tidegate_transport::{
    config::Config,
    endpoint::Endpoint,
    error::BindError,
    tls::{CaCert, Identity},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};

use crate::{
    WorkerConfig, WorkerError,
    actors::{Agent, Dialing, KeeperPlace, LinkActor, Parts, Terminate},
    attempts::{Attempts, Settings},
    clock::Clock,
    environments::Environments,
    folder::NodeFolder,
    job::{Base, Bodies},
    keeper::client::Launch,
    link::{Cache, Remote},
    prepare::Preparer,
    threads::Threads,
};

/// Threads for file work.
const FILE_THREADS: usize = 4;
/// Attempts that are prepared at the same time.
const PREPARING_MAX: usize = 8;
/// How long a silent controller is believed to be there.
const LEASE: Duration = Duration::from_secs(3);
/// What the cache leaves free on the disk beyond what a run needs to begin.
const CACHE_LEAVES_BYTES: u64 = 32 << 20;

/// Why a worker has ended, when nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// A controller has released the node: everything was stopped and deleted.
    Left,
    /// No controller was there for long, and nothing ran: everything was stopped; results that no controller had
    /// acknowledged are still in the folder.
    NoController,
    /// SIGTERM or SIGINT: this process alone ends, and the runs go on.
    Terminated,
}

/// Runs a worker's agent until its node leaves, or it is told to end. Blocks; never call it inside an asynchronous
/// runtime. A second call on the same folder, later, takes up what the first one left.
///
/// # Errors
///
/// What the configuration names cannot be used, the folder is another worker's, or there is no keeper.
pub fn run(config: WorkerConfig) -> Result<ExitReason, WorkerError> {
    let node = NodeFolder::open(&config.folder)
        .map_err(WorkerError::doing(format!("open its folder {}", config.folder.display())))?;
    let _lock = FolderLock::take(node.root())?;
    let system = actix::System::new();
    let ended = system.block_on(live(config, node));
    // Transfers and file work that is still under way is taken up by the next agent.
    drop(system);
    ended
}

async fn live(config: WorkerConfig, node: NodeFolder) -> Result<ExitReason, WorkerError> {
    let in_folder =
        |error| WorkerError::Io { what: format!("use its folder {}", node.root().display()), error };
    let incarnation = node.incarnation().map_err(in_folder)?;
    let found = node.recover().map_err(in_folder)?;
    tracing::info!(node = config.node, folder = %node.root().display(), attempts = found.len(), "the worker starts");
    let (current, link) = watch::channel(None);
    let dialing = Dialing {
        endpoint: endpoint(&config)?,
        addresses: config.controller_file.clone(),
        idle: LEASE,
        seed: incarnation,
        current,
        node: node.clone(),
    };
    let clock = Clock::start();
    let settings = Settings {
        incarnation,
        preparing_max: PREPARING_MAX,
        lease: millis(LEASE),
        leave_after: Millis::seconds(config.leave_after),
    };
    let mut attempts = Attempts::new(settings, clock.now());
    attempts.on_recovered(clock.now(), found);
    let threads = Threads::new(FILE_THREADS).map_err(WorkerError::doing("start its threads"))?;
    let keeper = keeper_place(&config, &node)?;
    let preparer = Arc::new(preparer(config, node, Remote::new(link)));
    let (exit, exited) = oneshot::channel();
    let agent = Agent::create(|ctx| {
        use actix::AsyncContext;
        let link = LinkActor::new(dialing, ctx.address()).start();
        Agent::new(Parts { attempts, clock, preparer, threads, keeper, link, exit })
    });
    let signals = "wait for signals";
    let mut terminate = signal(SignalKind::terminate()).map_err(WorkerError::doing(signals))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(WorkerError::doing(signals))?;
    let told = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        agent.do_send(Terminate);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = exited => ended.unwrap_or(Ok(ExitReason::Terminated)),
        () = told => Ok(ExitReason::Terminated),
    }
}

fn preparer(config: WorkerConfig, node: NodeFolder, remote: Remote) -> Preparer {
    let environments = config.environments_folder.clone().unwrap_or_else(|| node.environments());
    let cache = config.cache.clone().unwrap_or_else(|| node.cache());
    let leaves = CACHE_LEAVES_BYTES + (config.keep_free_mib << 20);
    Preparer {
        base: Base::read(config.node, &config.pass_environment),
        environments: Environments::new(&config, environments),
        bodies: Mutex::new(Bodies::default()),
        cache: Cache::new(cache, leaves, config.store_limit_mib << 20),
        remote,
        is_root: rustix::process::geteuid().is_root(),
        config,
        node,
    }
}

fn keeper_place(config: &WorkerConfig, node: &NodeFolder) -> Result<KeeperPlace, WorkerError> {
    let program: PathBuf = match &config.keeper_program {
        Some(program) => program.clone(),
        None => std::env::current_exe()
            .map_err(WorkerError::doing("find its own program, which is the keeper's too"))?,
    };
    let name = format!("n{}", config.node);
    let launch = Launch::new(&program, node.root(), &name);
    Ok(KeeperPlace { folder: node.root().to_owned(), launch, leaving: Rc::default() })
}

/// The socket that controllers are dialed from. It accepts nobody.
fn endpoint(config: &WorkerConfig) -> Result<Endpoint, WorkerError> {
    let identity = Identity::load(&config.identity)?;
    let ca = CaCert::load(&config.ca)?;
    if ca.cluster() != config.cluster {
        let what = format!(
            "cluster is {:?}, and the authority's certificate is of {:?}",
            config.cluster,
            ca.cluster()
        );
        return Err(WorkerError::Config { path: config.ca.clone(), what });
    }
    let payload = rmp_serde::to_vec(&NodeHello { node: config.node });
    let payload =
        payload.map_err(|error| WorkerError::Config { path: config.ca.clone(), what: error.to_string() })?;
    let transport = Config {
        accept: Vec::new(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        payload,
        idle_timeout: LEASE,
        ..Config::default()
    };
    // Controllers may be at addresses of either kind; a machine without IPv6 has the other alone.
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    match Endpoint::bind(any, &identity, &ca, transport.clone()) {
        Err(BindError::Socket { .. } | BindError::NotHere { .. }) => {
            let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
            Ok(Endpoint::bind(any, &identity, &ca, transport)?)
        }
        bound => Ok(bound?),
    }
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
