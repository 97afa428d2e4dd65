//! The clients of the rig with a real server: what they remember is what it says.

use std::time::Duration;

use anyhow::Result;
use tidegate_tests::{
    Cluster, Tally,
    faults::{ClientModel, Demand},
    wait,
};

const POOL: &str =
    "{name: busy, type: amlcompute, size: Standard_D4s_v3, min_instances: 2, max_instances: 2}";

#[test]
fn clients_remember_what_a_server_promised_that_crashes() -> Result<()> {
    let mut cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let tally = Tally::new(&cluster.home().path().join("tally"))?;
    let caller = cluster.caller()?;
    let model = ClientModel::new(vec![caller.clone().patience(Duration::from_secs(2))], tally, "it")
        .arrays_of(2)
        .pause(Duration::from_millis(20));
    model.submit_during(2, || {
        for _ in 0..2 {
            model.wait_for_more(5)?;
            cluster.kill_controller()?;
            cluster.restart()?;
        }
        model.wait_for_more(5)
    })?;
    model.wait_for_all(&caller, wait::DEADLINE)?;
    let verdict = model.verdict(&caller, Demand::Once)?;
    verdict.holds(wait::DEADLINE)?;
    assert!(verdict.acknowledged > 15 && verdict.executions == 2 * verdict.acknowledged, "{verdict:?}");
    Ok(())
}
