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
use crate::disk::{DataFolder, DurableLog, SnapshotStore};
use crate::dispatch::Wiring;
use crate::fatal::{Fatal, Removed};
use crate::handle::{Controller, Parts};
use crate::leadership::Leadership;
use crate::links::Links;
use crate::member::{self, Membership};
use crate::network::{self, Network};
use crate::peers::{PeerEvents, Peers};
use crate::providers::Providers;
use crate::record::Recorder;
use crate::recover::{Recovered, membership, recover};
use crate::replicate::Places;
use crate::replicate::blobs::ReplicatedBlobs;
use crate::replicate::forward;
use crate::replicate::history::Copying;
use crate::start_error::StartError;
use actix::{Actor, Addr, Arbiter, AsyncContext};
use std::sync::Arc;
use tidegate_scheduler::consensus::Restored;
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::event::Event;
use tidegate_scheduler::ids::ControllerId;
use tidegate_scheduler::record::Start;
use tidegate_scheduler::version;
use tidegate_scheduler::{Core, Input, Loaded, Member, State};
use tidegate_store::{BlobStore, History, StoreOptions};
use tidegate_transport::link::Link;
use tokio::sync::{broadcast, watch};

/// How many events a slow watcher may fall behind.
const EVENTS_KEPT: usize = 4096;

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
        let (kept, blobs) = (shared.snapshots.clone(), shared.blobs.local().clone());
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
            fatal: guarded.clone(),
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
    blobs: ReplicatedBlobs,
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
            blobs: self.blobs.clone(),
            kept: self.kept.clone(),
            snapshots: self.snapshots.clone(),
            forwarded: self.forwarded.clone(),
            peers: self.peers.clone(),
        }
    }
}

/// Starts a controller. Must be called in an actix system.
pub async fn start(config: ControllerConfig) -> Result<Running, StartError> {
    let folder = DataFolder::open(&config.data)?;
    let member = membership(&folder, &config)?;
    let Recovered { log, snapshots, state, restored, notices } = recover(&folder, &config, &member)?;
    let blobs = BlobStore::open(folder.store().join("blobs"), StoreOptions::default())?;
    let kept = History::open(&folder.store().join("history.db"), blobs.clone())?;
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
    let card =
        ControllerCard { address: address.clone(), http: config.http.clone(), supports: version::NEWEST };
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
    let blobs = ReplicatedBlobs::new(blobs, member.id, peers.clone(), voters.subscribe());
    let history = start_history(&threads, &kept, &told, &blobs, (behind, alone));
    let (links, bodies, forwarded) = (Links::default(), Bodies::default(), forward::Handler::default());
    let sharing = Sharing { links, bodies, peers, snapshots, history, blobs, kept, forwarded };
    let owned = Owned { core, recorder, log, places, pools };
    let core = start_core(&threads, owned, &sharing, &told, leadership.clone(), voters);
    let shared = sharing.with(core);
    threads.net.spawn(accept::run(endpoint.clone(), shared.clone()));
    let Told { fatal, removed, events, phases, .. } = told;
    let controller = Controller(Arc::new(Parts {
        shared,
        endpoint,
        catalogue: config.catalogue,
        folder: config.data,
        events,
        phases,
        leadership,
        ca,
        member,
        lock: folder,
    }));
    if controller.membership().founders == [controller.membership().id] {
        // One that is alone answers by itself, and is waited for until it does.
        tokio::select! {
            ready = controller.settled() => {
                ready.map_err(|stopping| StartError::Failed(stopping.to_string()))?;
            }
            reason = fatal.happened() => return Err(StartError::Failed(reason)),
        }
    }
    Ok(Running { controller, fatal, removed, notices, arbiters: threads.into_arbiters() })
}
