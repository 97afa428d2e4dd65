//! A real server: started, killed, restarted, and cleaned away.

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Home, Options, Process, Role, binary::tidegate_binary, http, nodes, processes, wait};

/// How much of the server's log an error shows.
const LOG_SHOWN: usize = 8 << 10;
/// How long a server may take to drain and stop.
const STOP: Duration = Duration::from_secs(60);

/// A `tidegate up` of its own, with its nodes. Dropped, all its processes are killed, and its cgroups and folders
/// removed; if the story failed, its log is printed first.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) home: Home,
    pub(crate) program: PathBuf,
    options: Options,
    data: PathBuf,
    address: SocketAddr,
    server: Option<Child>,
}

impl Cluster {
    /// Starts one as most stories need it.
    ///
    /// # Errors
    /// As [`Options::up`].
    pub fn up() -> Result<Cluster> {
        Options::default().up()
    }

    /// To say how it is started.
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn start(options: Options) -> Result<Cluster> {
        let home = Home::new()?;
        let data = options.data.clone().unwrap_or_else(|| home.path().join("data"));
        let port = match options.port {
            Some(port) => port,
            None => free_port()?,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut cluster = Cluster { home, program: tidegate_binary()?, options, data, address, server: None };
        cluster.restart()?;
        Ok(cluster)
    }

    /// Starts the server anew on its folder and port, and waits until it takes requests.
    ///
    /// # Errors
    /// It ends before, or takes too long; the error shows its log.
    pub fn restart(&mut self) -> Result<()> {
        self.launch()?;
        wait::until(&format!("the server at {} to be ready", self.url()), || {
            if let Some(status) = self.ended()? {
                // It will not come: to look again is of no use, but the loop ends by an answer alone.
                return Ok(Some(Err(anyhow::anyhow!("the server ended with {status}"))));
            }
            if !self.has_come_up() {
                return Ok(None);
            }
            let answer = self.request("GET /readyz", &[("Host", &self.address.to_string())], b"")?;
            Ok((answer.status == 200).then_some(Ok(())))
        })
        .and_then(|ready| ready)
        .with_context(|| format!("its log:\n{}", self.log()))
    }

    /// Starts the server without waiting for it: for stories in which it is to refuse. See [`Cluster::wait_for_end`].
    ///
    /// # Errors
    /// It runs already, or the program cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        if self.server.is_some() {
            bail!("the server runs already");
        }
        let (log, said) = (self.open_log()?, File::create(self.said_path())?);
        let mut command = self.home.command(&self.program);
        command
            .arg("up")
            .arg("--data")
            .arg(&self.data)
            .args(["--http", &self.address.to_string(), "-o", "json"])
            .args(&self.options.arguments)
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(log);
        let server = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        self.server = Some(server);
        Ok(())
    }

    /// The server's data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The story's own folder, removed with it.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the server listens, as `http://...`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the server has printed, its end if it is much.
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        let read = File::open(self.log_path()).and_then(|mut file| file.read_to_end(&mut bytes));
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(LOG_SHOWN)..]).into_owned(),
            Err(error) => format!("(the log cannot be read: {error})"),
        }
    }

    /// Sends an HTTP request such as `GET /healthz` with exactly these headers, and the body's length.
    ///
    /// # Errors
    /// No answer comes.
    pub fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<http::Answer> {
        http::request(self.address, line, headers, body, http::PATIENCE)
    }

    /// Kills the server by SIGKILL. Its nodes live on.
    ///
    /// # Errors
    /// It does not run, or the system refuses.
    pub fn kill_controller(&mut self) -> Result<()> {
        let mut server = self.server.take().context("the server does not run")?;
        server.kill()?;
        server.wait()?;
        Ok(())
    }

    /// Stops the server as Ctrl-C does, and waits until it has ended.
    ///
    /// # Errors
    /// It does not run, or does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::INT)?;
        self.wait_for_end()
    }

    /// Sends a signal to the server.
    ///
    /// # Errors
    /// It does not run, or the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.server_pid().and_then(Pid::from_raw).context("the server does not run")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until the server ends by itself.
    ///
    /// # Errors
    /// It does not run, or does not end; the error shows its log.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let status = wait::until_within(STOP, "the server's end", || self.ended());
        let status = status.with_context(|| format!("its log:\n{}", self.log()))?;
        self.server = None;
        Ok(status)
    }

    /// The server's process id, if it was started and not seen to end.
    pub fn server_pid(&self) -> Option<i32> {
        self.server.as_ref().map(|server| server.id().cast_signed())
    }

    /// The agents of all nodes.
    ///
    /// # Errors
    /// `/proc` or the data folder cannot be read.
    pub fn agents(&self) -> Result<Vec<Process>> {
        self.processes(Role::Agent)
    }

    /// The keepers of all nodes.
    ///
    /// # Errors
    /// `/proc` or the data folder cannot be read.
    pub fn keepers(&self) -> Result<Vec<Process>> {
        self.processes(Role::Keeper)
    }

    /// The processes of all runs, with what they have started.
    ///
    /// # Errors
    /// `/proc` or the data folder cannot be read.
    pub fn run_processes(&self) -> Result<Vec<Process>> {
        self.processes(Role::Run)
    }

    fn processes(&self, role: Role) -> Result<Vec<Process>> {
        let mut all = processes::of_nodes(&processes::node_folders(&self.data)?)?;
        all.retain(|process| process.role == role);
        Ok(all)
    }

    /// How the server ended, if it has.
    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.server.as_mut().context("the server does not run")?.try_wait()?)
    }

    /// Whether this very server has said that it is up: another may listen where it is to.
    fn has_come_up(&self) -> bool {
        let said = fs::read(self.said_path()).unwrap_or_default();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
        said["pid"].as_i64() == self.server_pid().map(i64::from)
    }

    fn said_path(&self) -> PathBuf {
        self.home.path().join("server.json")
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    fn open_log(&self) -> Result<File> {
        Ok(OpenOptions::new().append(true).create(true).open(self.log_path())?)
    }

    /// Kills everything and removes every cgroup; the folders go with [`Home`].
    fn clean_up(&mut self) -> Result<()> {
        if self.server.is_some() {
            self.kill_controller()?;
        }
        nodes::clear(&self.data)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of the server's log\n{}", self.log());
        }
        if let Err(error) = self.clean_up() {
            eprintln!("a story leaves something behind: {error:#}");
            assert!(std::thread::panicking(), "a story leaves something behind: {error:#}");
        }
    }
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
