//! The provider `local`: a node is a worker process on this machine, in a folder of its own.
//!
//! The folders tell what there is: a controller that was just started finds the nodes of the one before by them, takes up
//! those whose worker lives, starts the worker again in those where it died (its runs may live on), and destroys those that
//! nobody wants. A worker is known by its process id together with the moment of its start, so that it is never
//! mistaken for another process.
//!
//! What the worker has to keep to: it gets its configuration's path as last argument, passes its environment on to
//! the keeper, and ends, its keeper too, when a controller tells it to leave.

mod agent;
mod census;
mod cgroups;
mod departure;
mod folder;
mod node;
mod settings;
mod supervision;

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tidegate_scheduler::{ids::NodeId, input::ProviderEvent};

use self::{agent::WorkerCommand, folder::NodeFolder, node::Node};
use crate::{NodeOrder, Provider, ProviderError};

pub use settings::{BadSettings, LocalKind, LocalSettings};

/// How long the end of the last nodes may take beyond the graces.
const SHUTDOWN_SLACK: Duration = Duration::from_secs(15);
const SHUTDOWN_POLL: Duration = Duration::from_millis(20);

/// Writes what a node's worker needs (its identity and its configuration) into the node's folder, for nobody else to
/// read. May be called again for a folder in which it was interrupted; an error is told as the reason why
/// the node failed.
pub type Prepare = Box<dyn Fn(&NodeOrder, &Path) -> Result<(), String> + Send>;

/// How local nodes are made.
pub struct LocalConfig {
    /// Where the nodes' folders are, one a node, named by its number; made if absent. One provider at a time may use it,
    /// which the lock of the controller's data folder sees to.
    pub folder: PathBuf,
    /// The program that workers are, an absolute path; or one that becomes the worker once it has made its surroundings,
    /// as `ip netns exec` does, with the worker among its arguments.
    pub program: PathBuf,
    /// Its arguments, before the configuration's path. In each, `{node}` stands for the node's number.
    pub arguments: Vec<OsString>,
    /// The configuration's name in the node's folder, as `prepare` writes it.
    pub config_name: OsString,
    /// Writes what the worker needs.
    pub prepare: Prepare,
    /// The variables of our environment that workers get; no others.
    pub environment: Vec<String>,
    /// How long a worker may take to leave by itself before it is killed.
    pub leave_grace: Duration,
    /// How long its keeper may then take to stop the runs.
    pub keeper_grace: Duration,
    /// No node is made when the file system has less room for us, in bytes.
    pub disk_reserve: u64,
}

impl LocalConfig {
    /// The usual settings: `PROGRAM worker run --config FOLDER/NUMBER/worker.toml`, 10 s to leave, 5 s for the keeper,
    /// 64 MiB of disk.
    pub fn new(folder: impl Into<PathBuf>, program: impl Into<PathBuf>, prepare: Prepare) -> LocalConfig {
        let environment =
            ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "RUST_LOG", "RUST_BACKTRACE"];
        LocalConfig {
            folder: folder.into(),
            program: program.into(),
            arguments: ["worker", "run", "--config"].map(Into::into).into(),
            config_name: "worker.toml".into(),
            prepare,
            environment: environment.map(Into::into).into(),
            leave_grace: Duration::from_secs(10),
            keeper_grace: Duration::from_secs(5),
            disk_reserve: 64 << 20,
        }
    }
}

impl fmt::Debug for LocalConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalConfig")
            .field("folder", &self.folder)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// Makes nodes of processes on this machine; see the module.
pub struct LocalProvider {
    site: Site,
    nodes: BTreeMap<NodeId, Node>,
    /// Folders that were there at the start and that nobody has asked about yet.
    found: BTreeSet<NodeId>,
    /// Nodes asked for by each pool, by workspace and name.
    asked: BTreeMap<(String, String), u64>,
    /// When [`Provider::reconcile`] was called last.
    now: Option<Instant>,
}

/// What all nodes share.
struct Site {
    folder: PathBuf,
    worker: WorkerCommand,
    prepare: Prepare,
    graces: Graces,
    disk_reserve: u64,
}

/// How long an end may take.
#[derive(Clone, Copy, Debug)]
struct Graces {
    leave: Duration,
    keeper: Duration,
}

impl LocalProvider {
    /// Looks which nodes a controller before us left. Nothing is started or stopped before the first
    /// [`Provider::reconcile`].
    ///
    /// # Errors
    ///
    /// The folder of the nodes cannot be made or read.
    pub fn new(config: LocalConfig) -> Result<LocalProvider, ProviderError> {
        let path = config.folder;
        let failed = |what| {
            let path = path.clone();
            move |error| ProviderError::Folder { what, path, error }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(failed("make"))?;
        let folder = path.canonicalize().map_err(failed("find"))?;
        let mut found = BTreeSet::new();
        for entry in fs::read_dir(&folder).map_err(failed("read"))? {
            let entry = entry.map_err(failed("read"))?;
            // Nothing else is ours.
            found.extend(entry.file_name().to_str().and_then(|name| name.parse().ok()).map(NodeId));
        }
        Ok(LocalProvider {
            site: Site {
                folder,
                worker: WorkerCommand {
                    program: config.program,
                    arguments: config.arguments,
                    config: config.config_name,
                    environment: config.environment,
                },
                prepare: config.prepare,
                graces: Graces { leave: config.leave_grace, keeper: config.keeper_grace },
                disk_reserve: config.disk_reserve,
            },
            nodes: BTreeMap::new(),
            found,
            asked: BTreeMap::new(),
            now: None,
        })
    }

    /// The folder of a node.
    pub fn folder(&self, node: NodeId) -> PathBuf {
        self.site.folder_of(node).path().to_owned()
    }

    fn take_on(&mut self, order: &NodeOrder, now: Instant) -> Node {
        let folder = self.site.folder_of(order.node);
        self.found.remove(&order.node);
        if folder.exists() {
            return Node::found(folder, order, &self.site, now);
        }
        let settings = match LocalSettings::parse(&order.pool.provider) {
            Ok(settings) => settings,
            Err(error) => return Node::refused(folder, error.to_string()),
        };
        let pool = (order.pool.workspace.clone(), order.pool.name.clone());
        let asked = self.asked.entry(pool).or_default();
        let doomed = settings.wants_failure(order.node, *asked);
        *asked += 1;
        Node::booting(folder, order.clone(), now + settings.boot_delay(), doomed)
    }

    fn step_all(&mut self, now: Instant) -> Vec<(NodeId, ProviderEvent)> {
        // Taken by the first node that needs it, for all.
        let mut census = None;
        let mut events = Vec::new();
        for (id, node) in &mut self.nodes {
            // Said before what comes of it is known.
            events.extend(node.news().map(|event| (*id, event)));
            node.step(&self.site, &mut census, now);
            events.extend(node.news().map(|event| (*id, event)));
        }
        self.nodes.retain(|_, node| !node.is_gone());
        events
    }
}

impl Provider for LocalProvider {
    fn reconcile(
        &mut self,
        wanted: &[NodeOrder],
        released: &[NodeId],
        now: Instant,
    ) -> Vec<(NodeId, ProviderEvent)> {
        self.now = Some(now);
        for order in wanted {
            if !self.nodes.contains_key(&order.node) {
                let node = self.take_on(order, now);
                self.nodes.insert(order.node, node);
            }
        }
        for id in std::mem::take(&mut self.found) {
            self.nodes.insert(id, Node::left_over(self.site.folder_of(id), &self.site, now));
        }
        let wanted: BTreeSet<NodeId> = wanted.iter().map(|order| order.node).collect();
        for (_, node) in self.nodes.iter_mut().filter(|(id, _)| !wanted.contains(id)) {
            node.leave(&self.site, now);
        }
        let mut events = self.step_all(now);
        let told: BTreeSet<NodeId> = events.iter().map(|(id, _)| *id).collect();
        let unknown = released.iter().filter(|id| !self.nodes.contains_key(id) && !told.contains(id));
        events.extend(unknown.map(|id| (*id, ProviderEvent::Gone)));
        events
    }

    fn next_wakeup(&self) -> Option<Instant> {
        let now = self.now?;
        self.nodes.values().filter_map(|node| node.wakeup(now)).min()
    }

    fn retell(&mut self) {
        self.nodes.values_mut().for_each(Node::retell);
    }

    fn shutdown(&mut self, keep_nodes: bool) -> Result<(), ProviderError> {
        if keep_nodes {
            self.nodes.clear();
            return Ok(());
        }
        let graces = &self.site.graces;
        let deadline = Instant::now() + graces.leave + graces.keeper + SHUTDOWN_SLACK;
        loop {
            self.reconcile(&[], &[], Instant::now());
            if self.nodes.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let nodes = self.nodes.keys().copied().collect();
                return Err(ProviderError::StillThere { nodes });
            }
            thread::sleep(SHUTDOWN_POLL);
        }
    }
}

impl Site {
    fn folder_of(&self, node: NodeId) -> NodeFolder {
        NodeFolder::new(self.folder.join(node.0.to_string()))
    }

    fn check_disk(&self) -> Result<(), String> {
        let path = self.folder.display();
        let room = rustix::fs::statvfs(&self.folder)
            .map_err(|error| format!("cannot ask how much room {path} has: {error}"))?;
        let (free, reserve) = (room.f_bavail.saturating_mul(room.f_frsize), self.disk_reserve);
        match free < reserve {
            true => Err(format!(
                "the file system of {path} has {} MiB left, and {} MiB are kept in reserve: free some space",
                free >> 20,
                reserve >> 20
            )),
            false => Ok(()),
        }
    }
}
