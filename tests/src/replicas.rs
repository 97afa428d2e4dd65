//! Several real controllers of one cluster, each a process with a data folder of its own; made to fail one by one, and
//! gone without a trace when the story ends, however it ends.
//!
//! ```no_run
//! # fn story() -> anyhow::Result<()> {
//! use tidegate_tests::{Replicas, wait};
//!
//! let mut replicas = Replicas::found(3)?;
//! replicas.start_all()?;
//! let leader = replicas.leader()?;
//! replicas.kill(leader.at)?;
//! let next = replicas.wait_for_lead_after(leader.term)?;
//! replicas.start(leader.at)?;
//! replicas.wait_for_all()?;
//! replicas.finish()
//! # }
//! ```

mod faults;
mod ground;
mod leads;
mod membership;
mod replica;

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::{
    Caller, Finished, Home, Process, Role,
    binary::tidegate_binary,
    faults::{Hosts, SmallDisk},
    nodes, processes, wait,
};
use ground::Ground;
use replica::Replica;

pub use leads::{Lead, Leader};

/// How long a controller may take to stop.
const STOP: Duration = Duration::from_secs(30);
/// How long a question about the cluster may take; one without a leader waits for one first.
const ANSWER: Duration = Duration::from_secs(5);

/// Controllers of one cluster, numbered from 0 in the order in which they were made. Dropped, all their processes and
/// those of their nodes are killed, and what they made is removed; unless the story came to its end
/// ([`Replicas::finish`]), the ends of their logs are printed first.
#[derive(Debug)]
pub struct Replicas {
    members: Vec<Replica>,
    token: String,
    finished: bool,
    program: PathBuf,
    /// What the drop of this very structure does not end is in these: unmounted and removed after it, in this order.
    disks: Vec<(usize, SmallDisk)>,
    ground: Ground,
    home: Home,
}

impl Replicas {
    /// So many controllers on loopback, with nodes on this machine. Nothing is started yet.
    ///
    /// # Errors
    /// As for `tidegate controller init`.
    pub fn found(count: usize) -> Result<Replicas> {
        Replicas::on(Ground::loopback(count)?, count)
    }

    /// Controllers in hosts of their own, and all nodes in the other hosts, in turn: of `hosts`, the first `count` are for
    /// controllers. Clients must be in a host, too: see [`Replicas::caller`]. Nothing is started yet.
    ///
    /// # Errors
    /// As for `tidegate controller init`; or no host is left for nodes.
    pub fn in_hosts(hosts: Hosts, count: usize) -> Result<Replicas> {
        Replicas::on(Ground::hosts(hosts, count)?, count)
    }

    fn on(ground: Ground, count: usize) -> Result<Replicas> {
        let (home, program) = (Home::new()?, tidegate_binary()?);
        let (members, disks, token) = (Vec::new(), Vec::new(), String::new());
        let mut replicas = Replicas { members, token, finished: false, program, disks, ground, home };
        let bundles = replicas.home.path().join("bundles");
        let mut init = replicas.home.command(&replicas.program);
        init.args(["controller", "init", "--out"]).arg(&bundles);
        init.args((0..count).map(|at| replicas.ground.listen(at).to_string()));
        run(&mut init)?;
        let token = bundles.join("c1.token");
        token_of(&token).map(|token| replicas.token = token)?;
        // Nodes are shared by the controllers of one machine: whoever leads has them.
        DirBuilder::new().mode(0o700).create(replicas.nodes_data())?;
        for at in 0..count {
            let number = at as u64 + 1;
            replicas.add_member(number, bundles.join(format!("c{number}.join")))?;
        }
        Ok(replicas)
    }

    /// Makes the folder and the configuration of a controller; gives its place.
    fn add_member(&mut self, id: u64, bundle: PathBuf) -> Result<usize> {
        let at = self.members.len();
        let data = self.home.path().join(format!("controller-{at}"));
        let text = self.ground.configuration(at, &data, &self.nodes_data(), self.home.path())?;
        let config = self.home.write(&format!("controller-{at}.toml"), text)?;
        let log = self.home.path().join(format!("controller-{at}.log"));
        self.members.push(Replica { id, data, config, log, bundle, ..Replica::default() });
        Ok(at)
    }

    /// How many there are, those that were removed and those that are not running among them.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// Starts all that are not running, and waits until each takes requests.
    ///
    /// # Errors
    /// As [`Replicas::start`] and [`Replicas::wait_until_ready`].
    pub fn start_all(&mut self) -> Result<()> {
        for at in 0..self.count() {
            if !self.is_running(at) {
                self.start(at)?;
            }
        }
        (0..self.count()).try_for_each(|at| self.wait_until_ready(at))
    }

    /// Starts one, and does not wait for it.
    ///
    /// # Errors
    /// It runs already, or the program cannot be started.
    pub fn start(&mut self, at: usize) -> Result<()> {
        let mut command = self.home.command(&self.program);
        command.args(["controller", "run"]);
        self.members[at].prepare(&mut command)?;
        let child = self.ground.spawn(at, &mut command)?;
        self.members[at].child = Some(child);
        Ok(())
    }

    /// Waits until one takes requests: it is of its cluster, and knows of a leader.
    ///
    /// # Errors
    /// It ends before, or takes too long; the error shows its log.
    pub fn wait_until_ready(&mut self, at: usize) -> Result<()> {
        let caller = self.caller(at).patience(ANSWER);
        wait::until(&format!("controller {at} to be ready"), || {
            if let Some(status) = self.members[at].ended()? {
                return Ok(Some(Err(anyhow::anyhow!("controller {at} ended with {status}"))));
            }
            Ok((caller.send("GET /readyz", b"")?.status == 200).then_some(Ok(())))
        })
        .and_then(|ready| ready)
        .with_context(|| format!("its log:\n{}", self.log(at)))
    }

    /// Whether it was started, and has not been seen to end.
    pub fn is_running(&self, at: usize) -> bool {
        self.members[at].child.is_some()
    }

    /// Those that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.count()).filter(|at| self.is_running(*at)).collect()
    }

    /// Kills one by SIGKILL. Its nodes live on.
    ///
    /// # Errors
    /// It does not run, or the system refuses.
    pub fn kill(&mut self, at: usize) -> Result<()> {
        self.members[at].kill()
    }

    /// Stops one as its supervisor would, by SIGTERM, and waits until it has ended.
    ///
    /// # Errors
    /// It does not run, or does not end; the error shows its log.
    pub fn stop(&mut self, at: usize) -> Result<ExitStatus> {
        self.members[at].signal(Signal::TERM)?;
        self.wait_for_end(at)
    }

    /// Waits until one ends by itself.
    ///
    /// # Errors
    /// It does not run, or does not end; the error shows its log.
    pub fn wait_for_end(&mut self, at: usize) -> Result<ExitStatus> {
        let status =
            wait::until_within(STOP, &format!("the end of controller {at}"), || self.members[at].ended());
        let status = status.with_context(|| format!("its log:\n{}", self.log(at)))?;
        self.members[at].child = None;
        Ok(status)
    }

    /// Its process id.
    ///
    /// # Errors
    /// It does not run.
    pub fn pid(&self, at: usize) -> Result<i32> {
        self.members[at].pid()
    }

    /// The processes of all nodes that do this.
    ///
    /// # Errors
    /// `/proc` or the folder of nodes cannot be read.
    pub fn processes(&self, role: Role) -> Result<Vec<Process>> {
        let mut all = processes::of_nodes(&processes::node_folders(&self.nodes_data())?)?;
        all.retain(|process| process.role == role);
        Ok(all)
    }

    /// Its number in the cluster: that of its certificate.
    pub fn id(&self, at: usize) -> u64 {
        self.members[at].id
    }

    /// Its data folder, which is made when it is started first.
    pub fn data(&self, at: usize) -> &Path {
        &self.members[at].data
    }

    /// What it has printed.
    pub fn log(&self, at: usize) -> String {
        let log = &self.members[at].log;
        fs::read_to_string(log).unwrap_or_else(|error| format!("({} cannot be read: {error})", log.display()))
    }

    /// The story's own folder, removed with it.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The hosts, if controllers are in hosts.
    pub fn hosts(&self) -> Option<&Hosts> {
        self.ground.as_hosts()
    }

    /// A client that asks one of them. Where they are in hosts, it is in that host.
    pub fn caller(&self, at: usize) -> Caller {
        self.ground.caller(at, &self.token)
    }

    /// Clients of all that were not removed.
    pub fn callers(&self) -> Vec<Caller> {
        (0..self.count()).filter(|at| !self.members[*at].removed).map(|at| self.caller(at)).collect()
    }

    /// What clients present: the same for all controllers.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Runs `tidegate` to its end, with all controllers as its servers; where these are in hosts, with the one in whose
    /// host it is.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn tidegate(&self, at: usize, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.home.command(&self.program);
        let servers = match self.hosts() {
            Some(_) => vec![self.caller(at)],
            None => self.callers(),
        };
        let urls: Vec<String> = servers.iter().map(|server| format!("http://{}", server.address())).collect();
        command.env("TIDEGATE_SERVER", urls.join(",")).env("TIDEGATE_TOKEN", &self.token);
        command.args(arguments).stdin(Stdio::null());
        let output = self.ground.output(at, &mut command)?;
        Ok(Finished::of(arguments.iter().map(Into::into).collect(), output))
    }

    /// The folder whose `nodes` has the nodes.
    fn nodes_data(&self) -> PathBuf {
        self.home.path().join("machine")
    }

    fn clean_up(&mut self) -> Result<()> {
        for member in self.members.iter_mut().filter(|member| member.child.is_some()) {
            member.kill()?;
        }
        nodes::clear(&self.nodes_data())
    }
}

impl Drop for Replicas {
    fn drop(&mut self) {
        // A story fails by an error more often than by a panic.
        if !self.finished {
            for at in 0..self.count() {
                let log = self.log(at);
                let lines: Vec<&str> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(40)..].join("\n");
                eprintln!("--- the end of the log of controller {at} (c{})\n{last}", self.id(at));
            }
        }
        if let Err(error) = self.clean_up() {
            eprintln!("a story leaves something behind: {error:#}");
            assert!(std::thread::panicking(), "a story leaves something behind: {error:#}");
        }
    }
}

fn token_of(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(!text.trim().is_empty(), "{} is empty", file.display());
    Ok(text.trim().to_owned())
}

/// Runs `tidegate` to its end, which must be good.
fn run(command: &mut Command) -> Result<Finished> {
    let output = command.stdin(Stdio::null()).output().context("cannot start tidegate")?;
    Finished::of(command.get_args().map(Into::into).collect(), output).succeeded()
}
