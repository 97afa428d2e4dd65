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
use crate::recover::{Recovered, membership, recover};
use crate::replicate::Places;
use crate::replicate::blobs::ReplicatedBlobs;
use crate::replicate::forward;
use crate::replicate::history::Copying;
use actix::{Actor, Addr, Arbiter, AsyncContext};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tidegate_provider::Catalogue;
use tidegate_scheduler::consensus::{ConsensusError, Restored};
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::event::Event;
use tidegate_scheduler::ids::ControllerId;
use tidegate_scheduler::record::Start;
use tidegate_scheduler::state::snapshot::ImageError;
use tidegate_scheduler::{Core, Input, Loaded, Member, State};
use tidegate_store::{BlobStore, History, HistoryError, StoreError, StoreOptions};
use tidegate_transport::endpoint::Endpoint;
use tidegate_transport::link::Link;
use tidegate_transport::tls::ClusterCa;
use tokio::sync::{broadcast, watch};

/// How many events a slow watcher may fall behind.
const EVENTS_KEPT: usize = 4096;

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
    /// The log is gone, and with it what this member has promised.
    #[error(
        "the durable log of controller c{id} is gone, and with it what it has promised to the others: this folder must not \
         be used again. Move it away, and join as a new controller: `tidegate controller add --replaces {id}`; a cluster \
         of one controller is restored from a backup of the whole folder"
    )]
    LogLost {
        /// The controller.
        id: u64,
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
        path: PathBuf,
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

/// What happens to the links with other controllers, for the core and for whoever runs this one.
struct ToCore {
    shared: Shared,
    removed: Removed,
}

impl PeerEvents for ToCore {
    fn happened(&self, input: Input) {
        self.shared.core.do_send(Happened(input));
    }

    fn connected(&self, peer: ControllerId, link: &Link) {
        accept::listen(peer, link.clone(), &self.shared);
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

impl Threads {
    fn new() -> Threads {
        let [core, disk, history, net, pool] = std::array::from_fn(|_| Arbiter::new());
        Threads { core, disk, history, net, pool }
    }

    fn into_arbiters(self) -> Vec<Arbiter> {
        vec![self.core, self.disk, self.history, self.net, self.pool]
    }
}

/// The core, and what writes down all that it is told if that is wanted.
fn make_core(
    config: &ControllerConfig,
    member: &Membership,
    state: State,
    restored: Restored,
    told: &Told,
) -> Result<(Core, Option<Recorder>), StartError> {
    let start = Start {
        member: Member { id: member.id, founders: member.founders.clone() },
        loaded: Loaded::of(state),
        restored,
        limits: config.limits.clone(),
        moment: told.clock.moment(),
    };
    let recorder = match &config.record {
        Some(path) => Some(
            Recorder::begin(path, start.clone(), told.fatal.clone())
                .map_err(|source| StartError::Record { path: path.clone(), source })?,
        ),
        None => None,
    };
    let core = Core::new(&start.member, start.loaded, start.restored, start.limits, start.moment)?;
    Ok((core, recorder))
}

/// Where what happens is told.
#[derive(Clone)]
struct Told {
    clock: Clock,
    fatal: Fatal,
    removed: Removed,
    events: broadcast::Sender<Arc<Event>>,
    phases: watch::Sender<u64>,
}

/// What only the core's actor has, and the disk's.
struct Owned {
    core: Core,
    recorder: Option<Recorder>,
    log: DurableLog,
    places: Places,
    pools: Pools,
}

/// Starts the actor that owns the core, and the disk's, which tells it what is durable.
fn start_core(
    threads: &Threads,
    owned: Owned,
    shared: &Sharing,
    told: &Told,
    leadership: watch::Sender<Leadership>,
    voters: watch::Sender<Vec<u64>>,
) -> Addr<CoreActor> {
    let Owned { core, recorder, log, places, pools } = owned;
    let (shared, told, disk_thread) = (shared.clone(), told.clone(), threads.disk.handle());
    CoreActor::start_in_arbiter(&threads.core.handle(), move |ctx| {
        let address = ctx.address();
        let Told { clock, fatal, removed, events, phases } = told;
        let guarded = fatal.clone();
        let to_core = ToCore { shared: shared.with(address.clone()), removed: removed.clone() };
        shared.peers.tell(Arc::new(to_core));
        let (kept, blobs) = (shared.snapshots.clone(), shared.blobs);
        let disk = DiskActor::start_in_arbiter(&disk_thread, move |_| {
            DiskActor::new(log, kept, blobs, address, fatal)
        });
        let wiring = Wiring {
            disk,
            copying: Copying::new(shared.history.clone()),
            history: shared.history,
            links: shared.links,
            peers: shared.peers,
            places,
            removed,
            pools,
            bodies: shared.bodies,
            snapshots: shared.snapshots,
            events,
            phases,
            voters,
        };
        CoreActor::new(core, clock, wiring, leadership, recorder, guarded)
    })
}

/// Starts the actor that writes history; what a snapshot skipped is copied from another controller.
fn start_history(
    threads: &Threads,
    history: &History,
    told: &Told,
    blobs: &ReplicatedBlobs,
    (behind, alone): (u64, bool),
) -> Addr<HistoryActor> {
    let (history, fatal, blobs) = (history.clone(), told.fatal.clone(), blobs.clone());
    let actor = HistoryActor::start_in_arbiter(&threads.history.handle(), move |_| {
        HistoryActor::new(history, fatal, blobs, alone)
    });
    Copying::new(actor.clone()).needed(behind);
    actor
}

/// What several actors hold.
#[derive(Clone)]
struct Sharing {
    links: Links,
    bodies: Bodies,
    peers: Peers,
    snapshots: SnapshotStore,
    history: Addr<HistoryActor>,
    blobs: BlobStore,
    replicated: ReplicatedBlobs,
    kept: History,
    forwarded: forward::Handler,
}

impl Sharing {
    /// What links need of the controller.
    fn with(&self, core: Addr<CoreActor>) -> Shared {
        Shared {
            core,
            history: self.history.clone(),
            links: self.links.clone(),
            bodies: self.bodies.clone(),
            blobs: self.replicated.clone(),
            kept: self.kept.clone(),
            snapshots: self.snapshots.clone(),
            forwarded: self.forwarded.clone(),
            peers: self.peers.clone(),
        }
    }
}

/// What others hold of it.
fn hold(
    core: Addr<CoreActor>,
    sharing: Sharing,
    history: History,
    told: &Told,
    leadership: watch::Sender<Leadership>,
    (catalogue, data): (Catalogue, PathBuf),
    (endpoint, ca, member, lock): (Endpoint, Arc<ClusterCa>, Membership, DataFolder),
) -> Controller {
    Controller(Arc::new(Parts {
        core,
        history_actor: sharing.history,
        history,
        blobs: sharing.replicated,
        links: sharing.links,
        endpoint,
        catalogue,
        folder: data,
        events: told.events.clone(),
        phases: told.phases.clone(),
        leadership,
        peers: sharing.peers,
        ca,
        member,
        forwarded: sharing.forwarded,
        lock,
    }))
}

/// Starts a controller. Must be called in an actix system.
pub async fn start(config: ControllerConfig) -> Result<Running, StartError> {
    let folder = DataFolder::open(&config.data)?;
    let member = membership(&folder, &config)?;
    let Recovered { log, snapshots, state, restored, notices } = recover(&folder, &config, &member)?;
    let blobs = BlobStore::open(folder.store().join("blobs"), StoreOptions::default())?;
    let history = History::open(&folder.store().join("history.db"), blobs.clone())?;
    let threads = Threads::new();
    let Network { endpoint, ca, controllers, address } =
        network::open(&folder, &config, &member, &threads.net).await?;
    let address = config.advertise.unwrap_or(address).to_string();

    let told = Told {
        clock: Clock::start(),
        fatal: Fatal::default(),
        removed: Removed::default(),
        events: broadcast::channel(EVENTS_KEPT).0,
        phases: watch::channel(0).0,
    };
    let behind = restored.point.index;
    let (core, recorder) = make_core(&config, &member, state, restored, &told)?;
    let card = ControllerCard { address: address.clone(), http: config.http.clone() };
    let peers = Peers::new(member.id, card, endpoint.clone(), threads.net.handle());

    let seeds = member::read_peers(folder.path())?;
    let alone = seeds.iter().all(|(id, _)| *id == member.id);
    let nodes = config.nodes_folder(&folder);
    let providers =
        Providers::new(nodes, ca.clone(), controllers.path().to_owned(), &member.cluster, &config);
    let pools = Pools::new(threads.pool.handle(), providers);
    let places = Places::new((member.id, address), seeds, folder.path().to_owned(), controllers);
    let leadership = watch::Sender::new(Leadership::of(&core));
    let voters = watch::Sender::new(core.members().voters.clone());
    let replicated = ReplicatedBlobs::new(blobs.clone(), member.id, peers.clone(), voters.subscribe());
    let history_actor = start_history(&threads, &history, &told, &replicated, (behind, alone));
    let (links, bodies, forwarded) = (Links::default(), Bodies::default(), forward::Handler::default());
    let history_of = history.clone();
    let sharing = Sharing {
        links,
        bodies,
        peers,
        snapshots,
        history: history_actor,
        blobs,
        replicated,
        kept: history_of,
        forwarded,
    };
    let owned = Owned { core, recorder, log, places, pools };
    let core = start_core(&threads, owned, &sharing, &told, leadership.clone(), voters);
    threads.net.spawn(accept::run(endpoint.clone(), sharing.with(core.clone())));
    let rest = (endpoint, ca, member, folder);
    let controller = hold(core, sharing, history, &told, leadership, (config.catalogue, config.data), rest);
    if controller.membership().founders == [controller.membership().id] {
        // One that is alone answers by itself, and is waited for until it does.
        tokio::select! {
            ready = controller.settled() => {
                ready.map_err(|stopping| StartError::Failed(stopping.to_string()))?;
            }
            reason = told.fatal.happened() => return Err(StartError::Failed(reason)),
        }
    }
    let (fatal, removed, arbiters) = (told.fatal, told.removed, threads.into_arbiters());
    Ok(Running { controller, fatal, removed, notices, arbiters })
}
