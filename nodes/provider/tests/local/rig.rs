//! A provider over a temporary folder, whose workers are shell scripts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tidegate_provider::{LocalConfig, LocalProvider, NodeOrder, Provider};
use tidegate_scheduler::{
    command::{PoolSettings, QueueOrder},
    ids::NodeId,
    input::ProviderEvent,
    resources::{Resources, Tier, VmSize},
    time::Millis,
};

/// Longer than anything takes that works.
const DEADLINE: Duration = Duration::from_secs(30);

/// A worker that leaves when the file `leave` is in its folder.
pub(crate) const OBEDIENT: &str = "echo started; while [ ! -e leave ]; do sleep 0.02; done";

pub(crate) struct Rig {
    pub(crate) provider: LocalProvider,
    pub(crate) events: BTreeMap<NodeId, Vec<ProviderEvent>>,
    root: Root,
}

/// A folder with a script; whatever of its nodes is left is destroyed at the end.
pub(crate) struct Root(tempfile::TempDir);

impl Root {
    pub(crate) fn new(script: &str) -> Root {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("worker.sh"), script).unwrap();
        Root(root)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn nodes(&self) -> PathBuf {
        self.path().canonicalize().unwrap().join("nodes")
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let mut config = config(self.path());
        config.leave_grace = Duration::ZERO;
        config.keeper_grace = Duration::ZERO;
        LocalProvider::new(config).unwrap().shutdown(false).unwrap();
    }
}

/// Workers are `/bin/sh ROOT/worker.sh CONFIG`; a preparation leaves one line more in `prepared-how-often`.
pub(crate) fn config(root: &Path) -> LocalConfig {
    let prepare = |order: &NodeOrder, folder: &Path| {
        let count = folder.join("prepared-how-often");
        let before = fs::read_to_string(&count).unwrap_or_default();
        fs::write(count, before + "x").map_err(|error| error.to_string())?;
        fs::write(folder.join("worker.toml"), format!("node = {}\n", order.node.0))
            .map_err(|error| error.to_string())
    };
    let mut config = LocalConfig::new(root.join("nodes"), "/bin/sh", Box::new(prepare));
    config.arguments = vec![root.join("worker.sh").into()];
    config
}

pub(crate) fn order(node: u64, settings: &str) -> NodeOrder {
    let size = VmSize {
        name: "Standard_A1_v2".into(),
        family: "standardAv2Family".into(),
        capacity: Resources { vcpu: 1, memory_mib: 2048, gpu_milli: 0 },
        hourly_price_micros: 43_000,
    };
    let pool = PoolSettings {
        workspace: "w".into(),
        name: "p".into(),
        team: None,
        region: "local".into(),
        size,
        tier: Tier::Dedicated,
        min_instances: 0,
        max_instances: 9,
        idle_time_before_scale_down: Millis(1000),
        order: QueueOrder::Fair,
        provider: settings.into(),
    };
    NodeOrder { node: NodeId(node), pool: Arc::new(pool) }
}

pub(crate) fn orders(nodes: impl IntoIterator<Item = u64>) -> Vec<NodeOrder> {
    nodes.into_iter().map(|node| order(node, "")).collect()
}

impl Rig {
    pub(crate) fn new(script: &str) -> Rig {
        Rig::with(Root::new(script), |_| {})
    }

    pub(crate) fn with(root: Root, change: impl FnOnce(&mut LocalConfig)) -> Rig {
        let mut config = config(root.path());
        change(&mut config);
        Rig { provider: LocalProvider::new(config).unwrap(), events: BTreeMap::new(), root }
    }

    /// Another controller's provider over the same folder.
    pub(crate) fn restart(self) -> Rig {
        self.restart_with(|_| {})
    }

    /// The same with other settings than the usual.
    pub(crate) fn restart_with(self, change: impl FnOnce(&mut LocalConfig)) -> Rig {
        Rig::with(self.root, change)
    }

    pub(crate) fn reconcile(&mut self, wanted: &[NodeOrder], now: Instant) {
        for (node, event) in self.provider.reconcile(wanted, &[], now) {
            self.events.entry(node).or_default().push(event);
        }
    }

    /// Reconciles with real time until this holds.
    pub(crate) fn until(&mut self, wanted: &[NodeOrder], what: &str, mut holds: impl FnMut(&Rig) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.reconcile(wanted, Instant::now());
            if holds(self) {
                return;
            }
            assert!(Instant::now() < deadline, "never: {what}; events: {:?}", self.events);
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn file(&self, node: u64, name: &str) -> PathBuf {
        self.provider.folder(NodeId(node)).join(name)
    }

    /// The folder of all nodes.
    pub(crate) fn nodes(&self) -> PathBuf {
        self.root.nodes()
    }

    pub(crate) fn read(&self, node: u64, name: &str) -> String {
        fs::read_to_string(self.file(node, name)).unwrap_or_default()
    }

    /// The agent's process id, as written down.
    pub(crate) fn pid(&self, node: u64) -> Option<i32> {
        self.read(node, "pid").split(' ').next()?.parse().ok()
    }

    pub(crate) fn last(&self, node: u64) -> Option<&ProviderEvent> {
        self.events.get(&NodeId(node))?.last()
    }

    pub(crate) fn is_gone(&self, node: u64) -> bool {
        self.last(node) == Some(&ProviderEvent::Gone)
    }

    pub(crate) fn failure(&self, node: u64) -> Option<&str> {
        match self.last(node)? {
            ProviderEvent::Failed { reason } => Some(reason),
            ProviderEvent::Booting | ProviderEvent::Gone => None,
        }
    }
}

/// Waits for something that no provider is needed for.
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process, or its unreaped remains, are there.
pub(crate) fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

pub(crate) fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}
