//! Several controllers of one cluster: what people do with them, and what they see when one is lost.

mod failover;
mod kept;
mod lost_data;
mod members;
mod parity;
mod rolling;

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_tests::{
    Replicas, Tally,
    faults::{ClientModel, Demand},
    wait,
};

/// How long a client waits for one controller before it asks another.
const PATIENCE: Duration = Duration::from_secs(3);

/// Controllers with a pool of two nodes, and clients that may submit to it.
fn cluster(controllers: usize) -> Result<(Replicas, ClientModel)> {
    cluster_of(Replicas::found(controllers)?)
}

/// The same, of controllers that were not started yet.
fn cluster_of(mut replicas: Replicas) -> Result<(Replicas, ClientModel)> {
    replicas.start_all()?;
    let model = clients(&replicas)?;
    Ok((replicas, model))
}

/// Clients of all controllers that there are now, and the pool that they submit to.
fn clients(replicas: &Replicas) -> Result<ClientModel> {
    let pool =
        json!({"type": "amlcompute", "size": "Standard_D4s_v3", "min_instances": 2, "max_instances": 2});
    replicas.caller(0).apply_pool("busy", &pool)?;
    let tally = Tally::new(&replicas.home().path().join("tally"))?;
    let callers = replicas.callers().into_iter().map(|caller| caller.patience(PATIENCE));
    Ok(ClientModel::new(callers.collect(), tally, "it").body("sleep 0.1").pause(Duration::from_millis(50)))
}

/// What must hold when all is over: every acknowledged run was executed once.
fn demand_all(replicas: &Replicas, model: &ClientModel) -> Result<()> {
    let caller = replicas.caller(replicas.leader()?.at);
    model.wait_for_all(&caller, wait::DEADLINE)?;
    let verdict = model.verdict(&caller, Demand::Once)?;
    verdict.holds(wait::DEADLINE)?;
    println!(
        "{} submissions were acknowledged; the slowest took {:.3?}, and the longest time without any was {:.3?}",
        verdict.acknowledged, verdict.longest_wait, verdict.longest_silence
    );
    Ok(())
}
