//! What the replicated log says: closed enums, decided before they enter it and re-checked by `apply`.

use crate::controllers::ControllerCard;
use crate::event::Ending;
use crate::ids::{ContentId, ControllerId, Fence, NodeId, PoolId, RequestKey, RunId, Slot};
use crate::message::Report;
use crate::resources::{Need, Tier, VmSize};
use crate::state::quota::Allowance;
use crate::time::{Millis, WallMicros};
use serde::{Deserialize, Serialize};

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What `State::now` becomes.
    pub now: Millis,
    /// The leader's wall clock; annotates only.
    pub wall: WallMicros,
    /// What happens, in this order.
    pub commands: Vec<Command>,
}

/// One change of what all replicas agree on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Asked for by a client.
    Client {
        /// What makes asking again harmless.
        key: Option<RequestKey>,
        /// What.
        command: ClientCommand,
    },
    /// Decided by the planner.
    Plan(PlanCommand),
    /// Seen by a worker, a provider or the leader's own watch.
    Observed(Observation),
}

/// What a client may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ClientCommand {
    /// A new run, or the same one again.
    Submit(Box<Submit>),
    /// End a run, or one element of it.
    Cancel(RunSelector),
    /// Queue what failed or was cancelled again.
    Retry(RunSelector),
    /// Make a pool, or change one.
    ApplyPool(Box<PoolSettings>),
    /// Remove a pool.
    DeletePool {
        /// The workspace that owns it.
        workspace: String,
        /// The pool's name.
        pool: String,
        /// Cancel its runs instead of refusing.
        force: bool,
    },
    /// A new controller may join.
    AddController {
        /// It votes once it has caught up; else it only follows.
        voter: bool,
        /// It takes this one's place.
        replaces: Option<ControllerId>,
    },
    /// A controller goes.
    RemoveController {
        /// Which.
        id: ControllerId,
    },
    /// Set or lift how many runs a workspace may have.
    SetWorkspace {
        /// Its name; made if there is none.
        workspace: String,
        /// So many.
        limits: RunLimits,
    },
    /// Set or lift an allowance.
    SetQuota {
        /// Whose.
        key: QuotaKey,
        /// `None` lifts it.
        allowance: Option<Allowance>,
    },
}

/// A run, as its client describes it; what the core does not decide by stays in `body`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// Chosen by the client before sending: the run's identity, and its idempotency key.
    pub name: String,
    /// Its tenant.
    pub workspace: String,
    /// The group it is listed under.
    pub experiment: String,
    /// The pool it asks for; the workspace's default pool when absent.
    pub pool: Option<String>,
    /// How many elements; 1 for a run that is not an array.
    pub count: u32,
    /// What each element needs.
    pub need: Need,
    /// Higher goes first.
    pub priority: u8,
    /// How it stands beside other runs.
    pub scheduling: Scheduling,
    /// How often an element whose program failed is tried again.
    pub retries: u16,
    /// What a worker does when it hears of no controller.
    pub on_disconnect: OnDisconnect,
    /// Between SIGTERM and SIGKILL.
    pub grace: Millis,
    /// The digest of `body`; two submissions of one name are the same run if this is the same.
    pub digest: ContentId,
    /// The run's specification, opaque here.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// How a run stands beside others. The default waits for nothing, and for nobody in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduling {
    /// Whose it is, where several teams share a pool.
    pub team: Option<String>,
    /// Runs of the same workspace that must end before it starts.
    pub after: Vec<After>,
    /// No more elements than this run at once.
    pub max_concurrent: Option<u32>,
}

/// A run that must end first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Its name.
    pub run: String,
    /// How it must end.
    pub on: DependsOn,
}

/// How a run must end before another one starts; one that ends otherwise cancels what waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DependsOn {
    /// Well.
    #[default]
    Completed,
    /// Not well: failed, or cancelled.
    Failed,
    /// However.
    Ended,
}

impl DependsOn {
    /// Whether this end is the one that is waited for.
    pub fn is_met_by(self, ending: Ending) -> bool {
        match self {
            DependsOn::Completed => ending == Ending::Completed,
            DependsOn::Failed => ending != Ending::Completed,
            DependsOn::Ended => true,
        }
    }
}

/// In what order the runs of a pool start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOrder {
    /// By band (low, medium, high); in a band the team that had the least for its weight comes first, and of a team's runs
    /// that which has waited longest, a point of priority counting as six minutes.
    #[default]
    Fair,
    /// By priority, then by submission, whoever's they are.
    Strict,
}

/// How many runs a workspace may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    /// Elements that run at once.
    pub max_running: Option<u32>,
    /// Runs that have not ended, arrays counting once.
    pub max_open: Option<u32>,
}

/// What a worker does with a run when it hears of no controller for a lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// Goes on: silence kills nothing.
    #[default]
    Continue,
    /// Stops it.
    Stop,
}

/// Which run, or which element of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSelector {
    /// The tenant.
    pub workspace: String,
    /// The run's name.
    pub run: String,
    /// One element; all when absent.
    pub element: Option<u32>,
}

/// A pool, as its owner describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// The tenant that owns it.
    pub workspace: String,
    /// Its name in that tenant.
    pub name: String,
    /// The team of the workspace that its VMs count against; the workspace itself when absent.
    pub team: Option<String>,
    /// Where its VMs are; part of what quota counts by.
    pub region: String,
    /// Copied from the catalogue.
    pub size: VmSize,
    /// How its VMs are paid for.
    pub tier: Tier,
    /// Never fewer nodes than this.
    pub min_instances: u32,
    /// Never more nodes than this.
    pub max_instances: u32,
    /// How long a node stays without work.
    pub idle_time_before_scale_down: Millis,
    /// In what order its runs start.
    pub order: QueueOrder,
    /// Where its VMs come from, and how: for the provider alone.
    #[serde(with = "serde_bytes")]
    pub provider: Vec<u8>,
}

/// What an allowance is for: the vCPU of one family and tier in one region, of all workspaces, of one, or of a team of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QuotaKey {
    /// The region.
    pub region: String,
    /// The VM family; all together when absent.
    pub family: Option<String>,
    /// Dedicated and low-priority are counted apart.
    pub tier: Tier,
    /// One workspace; all together when absent.
    pub workspace: Option<String>,
    /// One team of the workspace; all of it when absent.
    pub team: Option<String>,
}

impl std::fmt::Display for QuotaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = self.family.as_deref().unwrap_or("all families");
        write!(f, "{family} ({}, {}", self.tier, self.region)?;
        if let Some(workspace) = &self.workspace {
            write!(f, ", workspace {workspace}")?;
        }
        if let Some(team) = &self.team {
            write!(f, ", team {team}")?;
        }
        write!(f, ")")
    }
}

/// What the planner may decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PlanCommand {
    /// Place an element on a node.
    Start {
        /// What.
        slot: Slot,
        /// Where.
        node: NodeId,
    },
    /// Ask the provider for one more node.
    RequestNode {
        /// For this pool.
        pool: PoolId,
    },
    /// Give a node back: it is idle for long, broken, or its pool shrinks.
    ReleaseNode {
        /// Which.
        node: NodeId,
        /// Why, for people.
        reason: ReleaseReason,
    },
    /// A controller that left is no member any more.
    ForgetController {
        /// Which.
        id: ControllerId,
    },
    /// Runs that have waited for a day rise to the next band.
    Promote {
        /// Which.
        runs: Vec<RunId>,
    },
    /// Follow the formats and rules of a later machine version from now on: every controller supports it.
    RaiseVersion {
        /// The new one.
        to: u32,
    },
    /// Drop runs that ended long ago, the oldest first.
    Forget {
        /// Runs that ended, by id.
        runs: Vec<RunId>,
    },
}

/// Why a node is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseReason {
    /// No work for the pool's idle time.
    Idle,
    /// It cannot run anything.
    Unusable,
    /// Its pool is being deleted, or `max_instances` was cut.
    PoolShrunk,
    /// The cluster is being stopped; no run is left on it.
    Drained,
    /// The cluster is being stopped now; what runs on it goes back into the queue.
    Stopped,
}

/// What somebody saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Observation {
    /// A controller said where it is.
    ControllerSeen {
        /// Which.
        id: ControllerId,
        /// Where.
        card: ControllerCard,
    },
    /// The provider works on a node.
    NodeBooting {
        /// Which.
        node: NodeId,
    },
    /// A worker has attached.
    NodeReady {
        /// Which.
        node: NodeId,
        /// Drawn anew each time that a node's folder is made.
        incarnation: u64,
    },
    /// The provider could not make it, or it broke.
    NodeFailed {
        /// Which.
        node: NodeId,
        /// What the provider said.
        reason: String,
    },
    /// Silent for longer than the grace after a lease.
    NodeLost {
        /// Which.
        node: NodeId,
    },
    /// The provider confirms that it is no more.
    NodeGone {
        /// Which.
        node: NodeId,
    },
    /// An attempt ended.
    Ended {
        /// On this node.
        node: NodeId,
        /// How.
        report: Box<Report>,
    },
    /// A worker that re-attached knows nothing of an attempt that it should have.
    AttemptLost {
        /// Which.
        fence: Fence,
    },
}
