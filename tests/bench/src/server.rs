//! The server under measurement: a real `tidegate up`, with one pool.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use serde_json::json;
use tidegate_tests::{Cluster, wait};

use crate::{account::Account, connection::Connection, cpu::OfProcess, job};

/// The pool's name.
pub(crate) const POOL: &str = "bench";
/// A size with 64 vCPU: so many runs of one vCPU are on its node at once.
const SIZE: &str = "Standard_F64s_v2";
/// How long a node may take to come up.
const BOOT: Duration = Duration::from_secs(60);

/// A server; when it is dropped, it and all that it started are killed and removed.
pub(crate) struct Server {
    // Dropped before the account that it is on.
    pub(crate) cluster: Cluster,
    account: Option<Account>,
    token: String,
}

/// CPU time used by a server and all that it started, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// Of everything, as the cgroup counts it; else the sum of the others.
    pub(crate) all: u64,
    /// Whether a cgroup counted it.
    pub(crate) by_cgroup: bool,
    pub(crate) controller: u64,
    pub(crate) agents: u64,
    pub(crate) keepers: u64,
    /// Of the commands, as their keepers saw it when they ended.
    pub(crate) commands: u64,
}

impl Server {
    /// Starts one on a new data folder.
    pub(crate) fn start() -> Result<Server> {
        let account = Account::open();
        if let Err(error) = &account {
            println!("  CPU time is summed over processes, and misses those that end between: {error:#}");
        }
        let cluster = Cluster::up()?;
        let server = Server { token: cluster.token()?, account: account.ok(), cluster };
        server.enter()?;
        Ok(server)
    }

    /// Puts the server, started anew, on the account.
    pub(crate) fn enter(&self) -> Result<()> {
        self.account.as_ref().map_or(Ok(()), |account| account.enter(self.pid()?))
    }

    pub(crate) fn pid(&self) -> Result<i32> {
        self.cluster.server_pid().context("the server does not run")
    }

    /// A new connection.
    pub(crate) fn connect(&self) -> Connection {
        Connection::new(&self.cluster.url(), &self.token)
    }

    /// Makes the pool with one node that stays, waits for it, and runs a first command on it.
    pub(crate) fn warm_node(&self) -> Result<()> {
        let connection = self.connect();
        self.make_pool(1)?;
        let path = format!("/pools/{POOL}");
        wait::until_within(BOOT, "the node to be there", || {
            Ok((connection.get(&path)?["nodes"]["idle"] == 1).then_some(()))
        })?;
        let first = json!({ "name": "first", "job": job::smallest("/bin/true"), "count": 200 });
        connection.post("/runs", &first)?;
        let ended = connection.wait_for_end("first")?;
        anyhow::ensure!(ended["state"] == "Completed", "the first runs did not end well: {ended}");
        Ok(())
    }

    /// Makes the pool without a node, and forbids that it ever gets one.
    pub(crate) fn make_barred_pool(&self) -> Result<()> {
        let connection = self.connect();
        self.make_pool(0)?;
        let family = connection.get(&format!("/pools/{POOL}"))?["family"].clone();
        connection.put("/quotas", &json!({ "family": family, "limit": 0 }))?;
        Ok(())
    }

    fn make_pool(&self, least: u32) -> Result<()> {
        let pool = json!({ "type": "amlcompute", "size": SIZE, "min_instances": least, "max_instances": 1 });
        self.connect().put(&format!("/pools/{POOL}"), &pool)?;
        Ok(())
    }

    /// What was used so far.
    pub(crate) fn used(&self) -> Result<Used> {
        let controller = OfProcess::read(self.pid()?)?.own;
        let of = |processes: Vec<tidegate_tests::Process>| {
            processes.iter().try_fold(OfProcess::default(), |sum, process| {
                let one = OfProcess::read(process.pid)?;
                anyhow::Ok(OfProcess { own: sum.own + one.own, children: sum.children + one.children })
            })
        };
        let (agents, keepers) = (of(self.cluster.agents()?)?.own, of(self.cluster.keepers()?)?);
        let sum = controller + agents + keepers.own + keepers.children;
        Ok(Used {
            all: self.account.as_ref().map_or(Ok(sum), Account::micros)?,
            by_cgroup: self.account.is_some(),
            controller,
            agents,
            keepers: keepers.own,
            commands: keepers.children,
        })
    }

    /// A file in the server's own temporary folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.cluster.home().path().join(name)
    }
}

impl Used {
    pub(crate) fn since(self, earlier: Used) -> Used {
        Used {
            all: self.all - earlier.all,
            by_cgroup: self.by_cgroup,
            controller: self.controller - earlier.controller,
            agents: self.agents - earlier.agents,
            keepers: self.keepers - earlier.keepers,
            commands: self.commands - earlier.commands,
        }
    }
}
