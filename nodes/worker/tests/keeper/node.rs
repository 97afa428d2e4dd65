//! A node for one test: a folder, a keeper's process, and the agent's end of its socket.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidegate_worker::keeper::{
    client::{KeeperHandle, Launch},
    protocol::{AttemptStatus, Exit, FRAME_MAX_BYTES, FromKeeper, Limits, Phase, StartRequest, ToKeeper},
};
use tokio::time::timeout;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the keeper is to use cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cgroups {
    With,
    Without,
}

/// One node.
pub(crate) struct Node {
    pub(crate) folder: TempDir,
    pub(crate) agent: KeeperHandle,
    launch: Launch,
    /// What has been heard and not asked for yet.
    started: BTreeMap<u64, u32>,
    failed: BTreeMap<u64, String>,
    exits: BTreeMap<u64, Exit>,
    pub(crate) exits_heard: usize,
    listed: Vec<AttemptStatus>,
    list_complete: bool,
}

impl Node {
    pub(crate) async fn new(cgroups: Cgroups) -> Self {
        Self::with(cgroups, &[]).await
    }

    /// With more arguments for the keeper.
    pub(crate) async fn with(cgroups: Cgroups, more: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut launch = launch(folder.path(), cgroups);
        launch.arguments.extend(more.iter().map(Into::into));
        let agent = KeeperHandle::connect_or_start(folder.path(), &launch).await.unwrap();
        Self {
            folder,
            agent,
            launch,
            started: BTreeMap::new(),
            failed: BTreeMap::new(),
            exits: BTreeMap::new(),
            exits_heard: 0,
            listed: Vec::new(),
            list_complete: false,
        }
    }

    /// A node with cgroups, or `None`, saying why, where this machine has none for us.
    pub(crate) async fn confined(test: &str) -> Option<Self> {
        let node = Self::new(Cgroups::With).await;
        if node.agent.confinement.memory && node.agent.confinement.pids && node.agent.confinement.cpu {
            return Some(node);
        }
        println!("skipped: {test}: {:?}", node.agent.confinement.notes);
        None
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A request to run a line of shell.
    pub(crate) fn shell(&self, fence: u64, line: &str) -> StartRequest {
        request(fence, &["/bin/sh", "-c", line], self.folder.path())
    }

    pub(crate) async fn start(&mut self, request: StartRequest) {
        self.agent.send(&ToKeeper::Start(request)).await.unwrap();
    }

    pub(crate) async fn started(&mut self, fence: u64) -> u32 {
        loop {
            if let Some(pid) = self.started.get(&fence) {
                return *pid;
            }
            self.hear().await;
        }
    }

    pub(crate) async fn failed(&mut self, fence: u64) -> String {
        loop {
            assert!(!self.started.contains_key(&fence), "it was started");
            if let Some(error) = self.failed.get(&fence) {
                return error.clone();
            }
            self.hear().await;
        }
    }

    pub(crate) async fn exit(&mut self, fence: u64) -> Exit {
        loop {
            assert!(!self.failed.contains_key(&fence), "not started: {}", self.failed[&fence]);
            if let Some(exit) = self.exits.get(&fence) {
                return exit.clone();
            }
            self.hear().await;
        }
    }

    /// Runs a line of shell to its end.
    pub(crate) async fn run(&mut self, fence: u64, line: &str) -> Exit {
        let request = self.shell(fence, line);
        self.start(request).await;
        self.exit(fence).await
    }

    pub(crate) async fn list(&mut self) -> Vec<AttemptStatus> {
        self.listed.clear();
        self.list_complete = false;
        self.agent.send(&ToKeeper::List).await.unwrap();
        while !self.list_complete {
            self.hear().await;
        }
        std::mem::take(&mut self.listed)
    }

    async fn hear(&mut self) {
        let message = timeout(PATIENCE, self.agent.next()).await.expect("the keeper says nothing");
        match message.expect("the keeper hung up") {
            FromKeeper::Welcome { .. } => panic!("welcomed twice"),
            FromKeeper::Started { fence, pid, .. } => drop(self.started.insert(fence, pid)),
            FromKeeper::StartFailed { fence, error } => drop(self.failed.insert(fence, error)),
            FromKeeper::Exited(exit) => {
                self.exits_heard += 1;
                self.exits.insert(exit.fence, exit);
            }
            FromKeeper::Attempts { attempts, last } => {
                self.listed.extend(attempts);
                self.list_complete = last;
            }
        }
    }

    /// The agent goes away.
    pub(crate) async fn agent_vanishes(&mut self) {
        // A handle whose other end hangs up at once, in the place of the real one.
        let (orders, news) = KeeperHandle::connect(self.folder.path()).await.unwrap().unwrap().split();
        drop((orders, news));
        // The old handle has been replaced by that one, which is gone.
        while let Some(_message) = timeout(PATIENCE, self.agent.next()).await.unwrap() {}
    }

    /// The exit of an attempt, asked for until it is there.
    pub(crate) async fn exit_from_list(&mut self, fence: u64) -> Exit {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let listed = self.list().await;
            if let Some(Phase::Exited(exit)) =
                listed.into_iter().find(|one| one.fence == fence).map(|one| one.phase)
            {
                return exit;
            }
            assert!(Instant::now() < deadline, "attempt {fence} has no exit");
        }
    }

    pub(crate) fn launch(&self) -> Launch {
        self.launch.clone()
    }

    /// The agent comes back, knowing nothing; the keeper may be another one by then.
    pub(crate) async fn reconnect(&mut self) {
        self.agent = KeeperHandle::connect_or_start(self.folder.path(), &self.launch).await.unwrap();
        self.started.clear();
        self.failed.clear();
        self.exits.clear();
    }

    /// The keeper dies and a new one takes its place.
    pub(crate) async fn kill_keeper(&mut self) {
        let pid = self.agent.pid;
        kill(pid, libc::SIGKILL);
        until("the keeper is dead", || !alive(pid));
        self.reconnect().await;
        assert_ne!(self.agent.pid, pid);
    }

    /// Lets the keeper go, and waits for it.
    pub(crate) fn dismiss(&mut self) {
        let pid = self.agent.pid;
        if alive(pid) {
            kill(pid, libc::SIGTERM);
            until("the keeper has left", || !alive(pid));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let (id, log) = (self.agent.pid, self.path("keeper.log"));
        if thread::panicking() {
            eprintln!("the keeper {id} said:\n{}", fs::read_to_string(log).unwrap_or_default());
        }
        self.dismiss();
        if !thread::panicking() {
            assert_eq!(cgroups_of(self.folder.path()), Vec::<PathBuf>::new(), "cgroups are left");
        }
    }
}

/// A request to run `argv` in `folder`, with its logs there.
pub(crate) fn request(fence: u64, argv: &[&str], folder: &Path) -> StartRequest {
    StartRequest {
        fence,
        argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
        env: vec![("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())],
        cwd: folder.to_owned(),
        stdout: folder.join(format!("{fence}.out")),
        stderr: folder.join(format!("{fence}.err")),
        limits: Limits::default(),
        timeout_ms: None,
        grace_ms: 10_000,
        log_limit_bytes: 0,
    }
}

fn launch(folder: &Path, cgroups: Cgroups) -> Launch {
    let folder = folder.to_str().unwrap();
    let mut arguments = vec!["--folder", folder, "--node", "test"];
    if cgroups == Cgroups::Without {
        arguments.push("--no-cgroups");
    }
    Launch {
        program: env!("CARGO_BIN_EXE_tidegate-keeper").into(),
        arguments: arguments.into_iter().map(Into::into).collect(),
    }
}

/// Orders as they go over the socket.
pub(crate) fn frames(orders: &[ToKeeper]) -> Vec<u8> {
    let encode = |order| tidegate_transport::frame::encode(order, FRAME_MAX_BYTES).unwrap();
    orders.iter().flat_map(encode).collect()
}

/// The cgroups made for a folder that are still there.
pub(crate) fn cgroups_of(folder: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(folder).unwrap();
    let name = format!("tidegate-test-{:x}-{:x}", metadata.dev(), metadata.ino());
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if entry.file_name().to_str() == Some(&name) {
                    found.push(entry.path());
                }
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Whether a process lives; a zombie does not.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(crate) fn kill(pid: u32, signal: i32) {
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0, "cannot signal {pid}");
}

/// Waits for a state that must come.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "this did not come: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until a file holds a number, and gives it.
pub(crate) fn number_in(path: &Path) -> u32 {
    let mut number = None;
    until(&format!("a number in {}", path.display()), || {
        let text = fs::read_to_string(path).unwrap_or_default();
        number = text.strip_suffix('\n').and_then(|text| text.parse().ok());
        number.is_some()
    });
    number.unwrap()
}
