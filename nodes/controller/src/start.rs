//! Starting a controller: reads back what is durable, then wires the actors around the core.

use crate::accept;
use crate::actors::core::{CoreActor, Happened};
use crate::actors::disk::DiskActor;
use crate::actors::history::HistoryActor;
use crate::actors::link::Shared;
use crate::actors::pool::Pools;
use crate::bodies::Bodies;
use crate::clock::Clock;
use crate::config::ControllerConfig;
use crate::disk::{DataFolder, DurableLog, FolderError, LogError, SnapshotError, SnapshotStore};
use crate::dispatch::Wiring;
use crate::fatal::{Fatal, Removed};
use crate::handle::{Controller, Parts};
use crate::leadership::Leadership;
use crate::links::Links;
use crate::member::{self, Membership, MembershipError};
use crate::network::{self, Network, NetworkError};
use crate::peers::{PeerEvents, Peers};
use crate::providers::Providers;
use crate::record::Recorder;
use crate::replicate::Places;
use crate::replicate::blobs::ReplicatedBlobs;
use crate::replicate::forward;
use crate::replicate::history::Copying;
use actix::{Actor, Addr, Arbiter, AsyncContext};
use std::sync::Arc;
use thiserror::Error;
use tidegate_scheduler::consensus::{ConsensusError, HardState, Restored};
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::record::Start;
use tidegate_scheduler::state::snapshot::ImageError;
use tidegate_scheduler::{Core, Input, Loaded, Member, State};
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
    /// The folder's own word of whose it is.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// The record of its inputs.
    #[error("the record {} cannot be begun: {source}", path.display())]
    Record {
        /// The file.
        path: std::path::PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
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
    /// Told when it is no longer of the cluster.
    pub removed: Removed,
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

/// Whose folder it is; a new one founds a cluster of one.
fn membership(folder: &DataFolder, config: &ControllerConfig) -> Result<Membership, StartError> {
    if let Some(known) = member::read(folder.path())? {
        return Ok(known);
    }
    let founder = Membership { id: 1, founders: vec![1], cluster: config.cluster.clone() };
    member::write(folder.path(), &founder)?;
    Ok(founder)
}

fn recover(
    folder: &DataFolder,
    config: &ControllerConfig,
    member: &Membership,
) -> Result<Recovered, StartError> {
    let mut notices = Vec::new();
    let (mut log, mut recovered) = DurableLog::open(folder, config.log.clone())?;
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
    let state = if point.index == 0 { State::founded(&member.founders) } else { state };
    // A snapshot of another member that is ahead of the log, or that the log does not lead to, begins it anew: the
    // process ended after it was stored and before the log followed.
    let leads_there = point.index == 0
        || point.index + 1 < recovered.first_index
        || log.term(point.index).is_ok_and(|term| term == point.term);
    if !leads_there {
        let hard_state = HardState { commit: point.index, ..recovered.hard_state };
        log.restart_after(&point, hard_state)?;
        notices.push(format!("the log begins anew after the snapshot at entry {}", point.index));
        recovered.hard_state = hard_state;
        (recovered.first_index, recovered.last_index) = (point.index + 1, point.index);
    }
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

/// What happens to the links with other controllers, for the core and for whoever runs this one.
struct ToCore {
    core: Addr<CoreActor>,
    removed: Removed,
}

impl PeerEvents for ToCore {
    fn happened(&self, input: Input) {
        self.core.do_send(Happened(input));
    }

    fn removed(&self) {
        self.removed.report();
    }
}

/// The threads of a controller.
struct Threads {
    core: Arbiter,
    disk: Arbiter,
    history: Arbiter,
    net: Arbiter,
    pool: Arbiter,
}

/// Starts a controller. Must be called in an actix system.
pub async fn start(config: ControllerConfig) -> Result<Running, StartError> {
    let folder = DataFolder::open(&config.data)?;
    let member = membership(&folder, &config)?;
    let recovered = recover(&folder, &config, &member)?;
    let blobs = BlobStore::open(folder.store().join("blobs"), StoreOptions::default())?;
    let history = History::open(&folder.store().join("history.db"), blobs.clone())?;
    history.set_gap(recovered.restored.point.index)?;
    let new = || Arbiter::new();
    let threads = Threads { core: new(), disk: new(), history: new(), net: new(), pool: new() };
    let network = network::open(&folder, &config, &member, &threads.net).await?;
    wire(config, folder, member, recovered, (blobs, history), threads, network).await
}

async fn wire(
    config: ControllerConfig,
    folder: DataFolder,
    member: Membership,
    recovered: Recovered,
    (blobs, history): (BlobStore, History),
    threads: Threads,
    Network { endpoint, ca, controllers, address }: Network,
) -> Result<Running, StartError> {
    let Recovered { log, snapshots, state, restored, notices } = recovered;
    let address = config.advertise.unwrap_or(address).to_string();
    let card = ControllerCard { address: address.clone(), http: config.http.clone() };
    let peers = Peers::new(member.id, card, endpoint.clone(), threads.net.handle());
    let seeds = member::read_peers(folder.path())?;
    let places = Places::new((member.id, address), seeds, folder.path().to_owned(), controllers.clone());
    let nodes = config.nodes_folder(&folder);
    let providers =
        Providers::new(nodes, ca.clone(), controllers.path().to_owned(), &member.cluster, &config);

    let (fatal, removed) = (Fatal::default(), Removed::default());
    let clock = Clock::start();
    let is_member = Member { id: member.id, founders: member.founders.clone() };
    let start = Start {
        member: is_member,
        loaded: Loaded::of(state),
        restored,
        limits: config.limits.clone(),
        moment: clock.moment(),
    };
    let recorder = match &config.record {
        Some(path) => Some(
            Recorder::begin(path, start.clone(), fatal.clone())
                .map_err(|source| StartError::Record { path: path.clone(), source })?,
        ),
        None => None,
    };
    let behind = start.restored.point.index;
    let core = Core::new(&start.member, start.loaded, start.restored, start.limits, start.moment)?;

    let (links, bodies, forwarded) = (Links::default(), Bodies::default(), forward::Handler::default());
    let (events, phases) = (broadcast::channel(EVENTS_KEPT).0, watch::channel(0).0);
    let leadership = watch::Sender::new(Leadership::of(&core));
    let voters = watch::Sender::new(core.members().voters.clone());
    let replicated = ReplicatedBlobs::new(blobs.clone(), member.id, peers.clone(), voters.subscribe());
    let history_actor = {
        let (history, fatal, peers) = (history.clone(), fatal.clone(), peers.clone());
        HistoryActor::start_in_arbiter(&threads.history.handle(), move |_| {
            HistoryActor::new(history, fatal, peers)
        })
    };
    let copying = Copying::new(history_actor.clone());
    let pools = Pools::new(threads.pool.handle(), providers);
    let disk_handle = threads.disk.handle();
    let core_actor = CoreActor::start_in_arbiter(&threads.core.handle(), {
        let (links, bodies, history) = (links.clone(), bodies.clone(), history_actor.clone());
        let (events, phases, fatal) = (events.clone(), phases.clone(), fatal.clone());
        let (peers, removed, leadership) = (peers.clone(), removed.clone(), leadership.clone());
        let (snapshots, copying) = (snapshots.clone(), copying.clone());
        move |ctx| {
            let core_address = ctx.address();
            peers.tell(Arc::new(ToCore { core: core_address.clone(), removed: removed.clone() }));
            let kept = snapshots.clone();
            let disk = DiskActor::start_in_arbiter(&disk_handle, move |_| {
                DiskActor::new(log, kept, blobs, core_address, fatal)
            });
            let wiring = Wiring {
                disk,
                history,
                links,
                peers,
                places,
                copying,
                removed,
                pools,
                bodies,
                snapshots,
                events,
                phases,
                voters,
            };
            CoreActor::new(core, clock, wiring, leadership, recorder)
        }
    });
    copying.needed(behind);
    let shared = Shared {
        core: core_actor.clone(),
        history: history_actor.clone(),
        links: links.clone(),
        bodies,
        blobs: replicated.clone(),
        kept: history.clone(),
        snapshots,
        forwarded: forwarded.clone(),
    };
    let controller = Controller(Arc::new(Parts {
        core: core_actor,
        history_actor,
        history,
        blobs: replicated,
        links,
        endpoint: endpoint.clone(),
        catalogue: config.catalogue,
        folder: config.data,
        events,
        phases,
        leadership,
        peers,
        ca,
        member: member.clone(),
        forwarded,
        lock: folder,
    }));
    threads.net.spawn(accept::run(endpoint, shared));
    let Threads { core, disk, history, net, pool } = threads;
    let arbiters = vec![core, disk, history, net, pool];
    if member.founders == [member.id] {
        // One that is alone answers by itself as soon as it is ready; with others, whoever leads does.
        tokio::select! {
            ready = controller.settled() => ready.map_err(|stopping| StartError::Failed(stopping.to_string()))?,
            reason = fatal.happened() => return Err(StartError::Failed(reason)),
        }
    }
    Ok(Running { controller, fatal, removed, notices, arbiters })
}
