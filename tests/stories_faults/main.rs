//! Three controllers and five workers, each in a host of its own, and everything that can go wrong between and in them.
//! Clients submit all the time, and what they were told is compared with what was executed.

mod clocks;
mod cut;
mod full_disk;
mod lost_worker;
mod partitions;
mod slow_network;
mod stopped;

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_tests::{
    Replicas, Role, Tally,
    faults::{ClientModel, Demand, Hosts},
    wait,
};

pub(crate) const CONTROLLERS: usize = 3;
pub(crate) const WORKERS: usize = 5;
/// How long a client waits for one controller before it asks another.
const PATIENCE: Duration = Duration::from_secs(1);
/// Clients that submit at the same time.
pub(crate) const CLIENTS: usize = 3;

/// Controllers in hosts, not started yet; `None`, and says so by name, where there can be no hosts.
fn controllers(story: &str) -> Result<Option<Replicas>> {
    let Some(hosts) = Hosts::new(story, CONTROLLERS + WORKERS)? else { return Ok(None) };
    Replicas::in_hosts(hosts, CONTROLLERS).map(Some)
}

/// Starts the controllers, waits for the workers, and makes clients for them: one beside each controller.
fn start(replicas: &mut Replicas) -> Result<ClientModel> {
    replicas.start_all()?;
    let pool = json!({
        "type": "amlcompute", "size": "Standard_D2s_v3", "min_instances": WORKERS, "max_instances": WORKERS,
    });
    let caller = replicas.caller(0);
    caller.apply_pool("busy", &pool)?;
    let nodes = || {
        let pool: Value = caller.get("/pools/busy")?.json()?;
        let count = |state: &str| pool["nodes"][state].as_u64().unwrap_or(0);
        Ok(count("idle") + count("running"))
    };
    wait::until_value("all workers to be there", nodes, |nodes| *nodes == WORKERS as u64)?;
    demand_apart(replicas)?;
    let tally = Tally::new(&replicas.home().path().join("tally"))?;
    let callers = replicas.callers().into_iter().map(|caller| caller.patience(PATIENCE));
    Ok(ClientModel::new(callers.collect(), tally, "it").body("sleep 0.1").pause(Duration::from_millis(50)))
}

/// A fault between hosts would be none if two processes shared one.
fn demand_apart(replicas: &Replicas) -> Result<()> {
    let mut processes: Vec<i32> =
        replicas.processes(Role::Agent)?.into_iter().map(|agent| agent.pid).collect();
    ensure!(processes.len() == WORKERS, "{} workers are there, not {WORKERS}", processes.len());
    processes.extend((0..CONTROLLERS).map(|at| replicas.pid(at)).collect::<Result<Vec<_>>>()?);
    processes.push(std::process::id().cast_signed());
    let networks = processes.iter().map(|pid| fs::read_link(format!("/proc/{pid}/ns/net")));
    let networks: BTreeSet<_> = networks.collect::<Result<_, _>>()?;
    ensure!(
        networks.len() == processes.len(),
        "{} networks for {} processes",
        networks.len(),
        processes.len()
    );
    Ok(())
}

/// How many nodes are in a state.
fn nodes(replicas: &Replicas, state: &str) -> Result<usize> {
    let nodes = replicas.caller(replicas.leader()?.at).list("/nodes")?;
    Ok(nodes.iter().filter(|node| node["state"] == state).count())
}

/// What must hold when all is healed and over.
fn demand_all(replicas: &Replicas, model: &ClientModel, demand: Demand) -> Result<()> {
    let caller = replicas.caller(replicas.leader()?.at);
    model.wait_for_all(&caller, wait::DEADLINE)?;
    let verdict = model.verdict(&caller, demand)?;
    verdict.holds(wait::DEADLINE)?;
    println!(
        "{} submissions were acknowledged, {} commands executed, in {} terms; the slowest submission took {:.3?}, and the \
         longest time without an acknowledgement was {:.3?}",
        verdict.acknowledged,
        verdict.executions,
        replicas.leads()?.len(),
        verdict.longest_wait,
        verdict.longest_silence
    );
    Ok(())
}
