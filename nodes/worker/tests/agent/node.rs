//! One node: a folder, an agent's process, and the controller that leads, mostly; some tests have more of them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidegate_scheduler::{
    command::OnDisconnect,
    ids::{ContentId, Fence, RunId, Slot},
    message::Assignment,
    resources::Resources,
    time::Millis,
};
use tidegate_store::Digest;
use tidegate_transport::tls::Role;
use tidegate_worker::WorkerConfig;

use crate::controller::{Controller, PATIENCE};

pub(crate) struct Node {
    pub(crate) controller: Controller,
    pub(crate) folder: TempDir,
    pub(crate) config: WorkerConfig,
    pub(crate) incarnation: u64,
    agent: Option<Child>,
}

impl Node {
    /// With an agent that has connected.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut WorkerConfig)) -> Self {
        let mut node = Self::prepared(change);
        node.start_agent();
        let (incarnation, attempts) = node.controller.accept().await;
        assert_eq!(attempts, []);
        node.incarnation = incarnation;
        node
    }

    /// Without an agent yet.
    pub(crate) fn prepared(change: impl FnOnce(&mut WorkerConfig)) -> Self {
        let controller = Controller::new();
        let folder = TempDir::new().unwrap();
        let capacity = Resources { vcpu: 64, memory_mib: 64 << 10, gpu_milli: 0 };
        let mut config = WorkerConfig::new(7, "c", folder.path().join("node"), &capacity);
        fs::create_dir(&config.folder).unwrap();
        config.controller_file = folder.path().join("controllers");
        config.identity = folder.path().join("identity.pem");
        config.ca = folder.path().join("ca.pem");
        change(&mut config);
        controller
            .ca
            .issue(Role::Worker, "n7", Duration::from_secs(3600))
            .unwrap()
            .save(&config.identity)
            .unwrap();
        controller.ca.cert().save(&config.ca).unwrap();
        fs::write(folder.path().join("worker.toml"), config.to_toml().unwrap()).unwrap();
        let node = Self { controller, folder, config, incarnation: 0, agent: None };
        node.tell_address();
        node
    }

    /// Writes down where the controller is.
    pub(crate) fn tell_address(&self) {
        self.tell_addresses(&[self.controller.address()]);
    }

    /// Writes down where controllers are, at once, as a controller does.
    pub(crate) fn tell_addresses(&self, addresses: &[SocketAddr]) {
        let lines: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
        let new = self.path("controllers.new");
        fs::write(&new, format!("# here\n{}\n", lines.join("\n"))).unwrap();
        fs::rename(new, &self.config.controller_file).unwrap();
    }

    pub(crate) fn start_agent(&mut self) {
        let log = fs::OpenOptions::new().append(true).create(true).open(self.path("agent.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-agent"));
        command.arg("agent").arg(self.path("worker.toml")).env("RUST_LOG", "debug,quinn=info,rustls=info");
        command.env("TIDEGATE_TOKEN", "secret").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.agent = Some(command.spawn().unwrap());
    }

    /// Kills the agent, and waits until it is dead.
    pub(crate) fn kill_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
    }

    pub(crate) fn signal_agent(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.agent.as_ref().unwrap());
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits until the agent has ended by itself.
    pub(crate) async fn agent_ends(&mut self) -> ExitStatus {
        let mut agent = self.agent.take().unwrap();
        let mut status = None;
        until("the agent has ended", || {
            status = agent.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn attempt(&self, fence: u64) -> PathBuf {
        self.config.folder.join("runs").join(fence.to_string())
    }

    /// Starts a command, of which nothing else is said.
    pub(crate) async fn run(&self, fence: u64, command: &str) {
        self.run_job(fence, &job(command, "")).await;
    }

    /// Starts a job, its body sent along.
    pub(crate) async fn run_job(&self, fence: u64, body: &str) {
        self.run_assignment(assignment(fence, body), Some(body)).await;
    }

    pub(crate) async fn run_assignment(&self, assignment: Assignment, body: Option<&str>) {
        self.controller.assign(assignment, body).await;
    }

    /// What the agent has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("agent.log")).unwrap()
    }

    fn keeper_pid(&self) -> Option<i32> {
        let link = |entry: fs::DirEntry| {
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let text = String::from_utf8_lossy(&command).replace('\0', " ");
            let ours =
                text.contains("keeper --folder") && text.contains(&self.config.folder.display().to_string());
            ours.then(|| entry.file_name().to_str()?.parse().ok()).flatten()
        };
        fs::read_dir("/proc").unwrap().flatten().find_map(link)
    }

    /// Whether the node's keeper is there.
    pub(crate) fn has_keeper(&self) -> bool {
        self.keeper_pid().is_some()
    }

    /// Kills the keeper.
    pub(crate) fn kill_keeper(&self) {
        let pid = self.keeper_pid().expect("there is a keeper");
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the agent's log:\n{}", self.log());
            println!(
                "the keeper's log:\n{}",
                fs::read_to_string(self.config.folder.join("keeper.log")).unwrap_or_default()
            );
        }
        if let Some(mut agent) = self.agent.take() {
            let _dead = agent.kill();
            let _reaped = agent.wait();
        }
        // The keeper ends its runs, and itself, when it is told to.
        if let Some(pid) = self.keeper_pid().and_then(rustix::process::Pid::from_raw) {
            let _told = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let deadline = Instant::now() + PATIENCE;
            while self.has_keeper() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// A job's body: a command, and further keys.
pub(crate) fn job(command: &str, more: &str) -> String {
    let command = serde_json::Value::from(command);
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"command":{command},"environment":"azureml:any:1"{comma}{more}}}"#)
}

pub(crate) fn assignment(fence: u64, body: &str) -> Assignment {
    Assignment {
        fence: Fence(fence),
        slot: Slot { run: RunId(fence), element: 0 },
        count: 1,
        run: format!("run-{fence}"),
        workspace: "main".into(),
        attempt: 1,
        resources: Resources { vcpu: 1, memory_mib: 512, gpu_milli: 0 },
        body: ContentId::from(Digest::of(body.as_bytes())),
        on_disconnect: OnDisconnect::Continue,
        grace: Millis(2000),
    }
}

/// Waits for something that happens elsewhere.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        // Our own end of the link goes on meanwhile.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn lines(path: &Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}
