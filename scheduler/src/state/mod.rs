//! What all replicas agree on. `State::apply` is its only mutator, and depends on nothing but the state and
//! the entry.

pub mod apply;
pub mod check;
pub mod elements;
pub mod keys;
pub mod nodes;
pub mod pools;
pub mod quota;
pub mod runs;
pub mod snapshot;
pub mod workspaces;

use crate::controllers::{Controller, ControllerCard, Wish};
use crate::ids::{ControllerId, Fence, NodeId, PoolId, RunId, WorkspaceId};
use crate::pages::PageMap;
use crate::time::{Millis, WallMicros};
use crate::version;
use nodes::Node;
use pools::Pool;
use quota::Quota;
use runs::{Attempt, Run, Runs};
use serde::{Deserialize, Serialize};
use workspaces::Workspace;

/// The workspace that exists from the start.
pub const DEFAULT_WORKSPACE: &str = "default";

/// The replicated state. Cloning it is a fork: pages are shared until one side writes to them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Rules and formats in force; raised by an entry once every voter supports more.
    pub(crate) version: u32,
    pub(crate) now: Millis,
    pub(crate) wall: WallMicros,
    pub(crate) applied: u64,
    /// Commands that no longer fitted when they were applied.
    pub(crate) refused: u64,
    pub(crate) next_workspace: u32,
    pub(crate) next_pool: u32,
    pub(crate) next_node: u64,
    pub(crate) workspaces: PageMap<WorkspaceId, Workspace>,
    pub(crate) pools: PageMap<PoolId, Pool>,
    pub(crate) nodes: PageMap<NodeId, Node>,
    pub(crate) quota: Quota,
    pub(crate) runs: Runs,
    pub(crate) attempts: PageMap<Fence, Attempt>,
    /// Runs that wait for others to end: first the one waited for.
    pub(crate) dependents: PageMap<(RunId, RunId), ()>,
    pub(crate) next_controller: u64,
    pub(crate) controllers: PageMap<ControllerId, Controller>,
    pub(crate) keys: keys::Keys,
}

impl State {
    /// An empty cluster of one controller, with its one workspace.
    pub fn new() -> State {
        State::founded(&[1])
    }

    /// An empty cluster of these controllers, with its one workspace.
    pub fn founded(founders: &[u64]) -> State {
        let mut state = State { version: version::FIRST, ..State::default() };
        state.workspace_or_new(DEFAULT_WORKSPACE);
        for id in founders {
            let card = ControllerCard::default();
            state
                .controllers
                .insert(ControllerId(*id), Controller { card, wish: Wish::Voter, replaces: None });
            state.next_controller = state.next_controller.max(*id);
        }
        state
    }

    /// The machine version: the formats and rules in force.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All controllers, those included that are to join or to go.
    pub fn controllers(&self) -> impl Iterator<Item = (ControllerId, &Controller)> {
        self.controllers.iter()
    }

    /// The controller with this number.
    pub fn controller(&self, id: ControllerId) -> Option<&Controller> {
        self.controllers.get(&id)
    }

    /// Whether a controller was of this cluster once, and is no more.
    pub fn has_left(&self, id: ControllerId) -> bool {
        id.0 <= self.next_controller && self.controllers.get(&id).is_none()
    }

    /// Whether a node was there once, and is no more.
    pub fn has_been(&self, node: NodeId) -> bool {
        node.0 <= self.next_node && self.nodes.get(&node).is_none()
    }

    /// A copy that shares every page until one side writes to it.
    pub fn fork(&self) -> State {
        self.clone()
    }

    /// The cluster's time: moves only by entries.
    pub fn now(&self) -> Millis {
        self.now
    }

    /// The leader's wall clock in the last entry.
    pub fn wall(&self) -> WallMicros {
        self.wall
    }

    /// Both clocks of the last entry.
    pub fn moment(&self) -> quota::Now {
        quota::Now { time: self.now, wall: self.wall }
    }

    /// The last entry that is part of this.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// How many commands no longer fitted when they were applied.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The workspace of this name.
    pub fn workspace(&self, name: &str) -> Option<WorkspaceId> {
        self.workspaces.iter().find(|(_, known)| &*known.name == name).map(|(id, _)| id)
    }

    /// The name of a workspace.
    pub fn workspace_name(&self, id: WorkspaceId) -> &str {
        self.workspaces.get(&id).map_or("", |workspace| &workspace.name)
    }

    /// All workspaces.
    pub fn workspaces(&self) -> impl Iterator<Item = &Workspace> {
        self.workspaces.iter().map(|(_, workspace)| workspace)
    }

    /// The workspace with this number.
    pub fn workspace_of(&self, id: WorkspaceId) -> Option<&Workspace> {
        self.workspaces.get(&id)
    }

    fn workspace_or_new(&mut self, name: &str) -> WorkspaceId {
        if let Some(id) = self.workspace(name) {
            return id;
        }
        self.next_workspace += 1;
        let id = WorkspaceId(self.next_workspace);
        self.workspaces.insert(id, Workspace { name: name.into(), ..Workspace::default() });
        id
    }

    /// The pool with this number.
    pub fn pool(&self, id: PoolId) -> Option<&Pool> {
        self.pools.get(&id)
    }

    /// The pool of this name.
    pub fn find_pool(&self, workspace: WorkspaceId, name: &str) -> Option<(PoolId, &Pool)> {
        // Names of pools are compared without case, as Azure ML does.
        let same = |pool: &Pool| pool.workspace == workspace && pool.settings.name.eq_ignore_ascii_case(name);
        self.pools.iter().find(|(_, pool)| same(pool))
    }

    /// The pool for a run that names none: the one called `default`, else the workspace's oldest.
    pub fn default_pool(&self, workspace: WorkspaceId) -> Option<(PoolId, &Pool)> {
        let open = |pool: &Pool| pool.workspace == workspace && !pool.deleting;
        let named = self.find_pool(workspace, "default").filter(|(_, pool)| open(pool));
        named.or_else(|| self.pools.iter().find(|(_, pool)| open(pool)))
    }

    /// The pool whose turn it is to come first: another one at each moment.
    pub fn turn(&self, now: Millis) -> PoolId {
        PoolId((now.0 % (u64::from(self.next_pool) + 1)) as u32)
    }

    /// All pools.
    pub fn pools(&self) -> impl Iterator<Item = (PoolId, &Pool)> {
        self.pools.iter()
    }

    /// The node with this number.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter()
    }

    /// The run with this number.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(id)
    }

    /// The run of this name.
    pub fn find_run(&self, workspace: &str, name: &str) -> Option<(RunId, &Run)> {
        self.runs.find(self.workspace(workspace)?, name)
    }

    /// All runs.
    pub fn runs(&self) -> &Runs {
        &self.runs
    }

    /// The attempt with this fencing number, if it has not ended.
    pub fn attempt(&self, fence: Fence) -> Option<&Attempt> {
        self.attempts.get(&fence)
    }

    /// All attempts that have not ended.
    pub fn attempts(&self) -> impl Iterator<Item = (Fence, &Attempt)> {
        self.attempts.iter()
    }

    /// The quota ledger.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }
}
