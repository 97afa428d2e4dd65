//! Starting a controller: reads back what is durable, then wires the actors around the core.

use crate::accept;
use crate::actors::core::CoreActor;
use crate::actors::disk::DiskActor;
use crate::actors::history::HistoryActor;
use crate::actors::link::Shared;
use crate::actors::pool::Pools;
use crate::bodies::Bodies;
use crate::clock::Clock;
use crate::config::ControllerConfig;
use crate::disk::{DataFolder, DurableLog, FolderError, LogError, SnapshotError, SnapshotStore};
use crate::dispatch::Wiring;
use crate::fatal::Fatal;
use crate::handle::{Controller, Parts};
use crate::links::Links;
use crate::network::{self, Network, NetworkError};
use crate::providers::Providers;
use actix::{Actor, Arbiter, AsyncContext};
use std::sync::Arc;
use thiserror::Error;
use tidegate_scheduler::consensus::{ConsensusError, Restored};
use tidegate_scheduler::state::snapshot::ImageError;
use tidegate_scheduler::{Core, Member, State};
use tidegate_store::{BlobStore, History, HistoryError, StoreError, StoreOptions};
use tokio::sync::{broadcast, watch};

/// How many events a slow watcher may fall behind.
const EVENTS_KEPT: usize = 4096;
/// How many bytes of the log are read at once.
const READ_AT_ONCE: usize = 8 << 20;

/// Why a controller does not start. Nothing was changed on the disk.
#[derive(Debug, Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The durable log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The snapshots cannot be read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The newest whole snapshot is of another release, or broken inside.
    #[error("the newest snapshot cannot be used: {0}")]
    Image(#[from] ImageError),
    /// The log goes on from a snapshot that is not there.
    #[error(
        "the durable log begins at entry {first}, but the newest whole snapshot ends at {snapshot}: entries \
         between are missing. Restore the data folder from a backup, or start on an empty one"
    )]
    Gap {
        /// Where the log begins.
        first: u64,
        /// Where the snapshot ends.
        snapshot: u64,
    },
    /// Consensus refuses what was read back.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Run history cannot be opened.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// It failed as soon as it ran.
    #[error("the controller cannot go on: {0}")]
    Failed(String),
    /// Workers could not connect.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// A controller that runs, and what stops it.
pub struct Running {
    /// What others hold of it.
    pub controller: Controller,
    /// Told when it cannot go on.
    pub fatal: Fatal,
    /// What was found when the data folder was opened, for people.
    pub notices: Vec<String>,
    arbiters: Vec<Arbiter>,
}

impl Running {
    /// Stops its actors. Nodes that are there live on, for the next start on the same folder.
    pub async fn stop(self) {
        self.controller.stop().await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
        for arbiter in self.arbiters {
            if arbiter.join().is_err() {
                tracing::error!("a thread of the controller had panicked");
            }
        }
    }
}

/// What the disk gave back.
struct Recovered {
    log: DurableLog,
    snapshots: SnapshotStore,
    state: State,
    restored: Restored,
    notices: Vec<String>,
}

fn recover(folder: &DataFolder, config: &ControllerConfig) -> Result<Recovered, StartError> {
    let mut notices = Vec::new();
    let (log, recovered) = DurableLog::open(folder, config.log.clone())?;
    notices.extend(recovered.torn_tail.as_ref().map(ToString::to_string));
    let snapshots = SnapshotStore::of(folder);
    let latest = snapshots.load_latest()?;
    let refused = latest.refused.iter();
    notices
        .extend(refused.map(|bad| format!("snapshot {} was put aside: {}", bad.file.display(), bad.reason)));
    let (point, state) = match latest.found {
        Some((point, image)) => (point, State::decode(&image)?),
        None => Default::default(),
    };
    let state = if point.index == 0 { State::new() } else { state };
    if recovered.first_index > point.index + 1 {
        return Err(StartError::Gap { first: recovered.first_index, snapshot: point.index });
    }
    let mut entries = Vec::new();
    let mut from = point.index + 1;
    while from <= recovered.last_index {
        let read = log.entries(from, recovered.last_index + 1, READ_AT_ONCE)?;
        from += read.len() as u64;
        entries.extend(read);
    }
    let restored = Restored { hard_state: recovered.hard_state, point, entries };
    Ok(Recovered { log, snapshots, state, restored, notices })
}

/// Starts a controller. Must be called in an actix system.
pub async fn start(config: ControllerConfig) -> Result<Running, StartError> {
    let folder = DataFolder::open(&config.data)?;
    let Recovered { log, snapshots, state, restored, notices } = recover(&folder, &config)?;
    let store = StoreOptions::default();
    let blobs = BlobStore::open(folder.store().join("blobs"), store)?;
    let history = History::open(&folder.store().join("history.db"), blobs.clone())?;

    let [core_thread, disk_thread, history_thread, net_thread, pool_thread] =
        std::array::from_fn(|_| Arbiter::new());
    let Network { endpoint, ca, controllers } = network::open(&folder, &config, &net_thread).await?;
    let providers = Providers::new(folder.nodes(), ca, controllers, &config);

    let clock = Clock::start();
    let member = Member { id: 1, voters: vec![1] };
    let core = Core::new(&member, state, restored, config.limits.clone(), clock.moment())?;

    let fatal = Fatal::default();
    let (links, bodies) = (Links::default(), Bodies::default());
    let (events, phases) = (broadcast::channel(EVENTS_KEPT).0, watch::channel(0).0);
    let history_actor = {
        let (history, fatal) = (history.clone(), fatal.clone());
        HistoryActor::start_in_arbiter(&history_thread.handle(), move |_| HistoryActor::new(history, fatal))
    };
    let pools = Pools::new(pool_thread.handle(), providers);
    let disk_handle = disk_thread.handle();
    let core_actor = CoreActor::start_in_arbiter(&core_thread.handle(), {
        let (links, bodies, history) = (links.clone(), bodies.clone(), history_actor.clone());
        let (events, phases, fatal) = (events.clone(), phases.clone(), fatal.clone());
        let store = blobs.clone();
        move |ctx| {
            let core_address = ctx.address();
            let kept = snapshots.clone();
            let disk = DiskActor::start_in_arbiter(&disk_handle, move |_| {
                DiskActor::new(log, kept, store, core_address, fatal)
            });
            let wiring = Wiring { disk, history, links, pools, bodies, snapshots, events, phases };
            CoreActor::new(core, clock, wiring)
        }
    });
    let shared = Shared {
        core: core_actor.clone(),
        history: history_actor.clone(),
        links: links.clone(),
        bodies,
        blobs: blobs.clone(),
    };
    let controller = Controller(Arc::new(Parts {
        core: core_actor,
        history_actor,
        history,
        blobs,
        links,
        endpoint: endpoint.clone(),
        catalogue: config.catalogue,
        folder: config.data,
        events,
        phases,
        lock: folder,
    }));
    tokio::select! {
        ready = controller.ready() => ready.map_err(|stopping| StartError::Failed(stopping.to_string()))?,
        reason = fatal.happened() => return Err(StartError::Failed(reason)),
    }
    // Not before: what a worker says to one that does not lead is lost.
    net_thread.spawn(accept::run(endpoint, shared));
    let arbiters = vec![core_thread, disk_thread, history_thread, net_thread, pool_thread];
    Ok(Running { controller, fatal, notices, arbiters })
}
