//! Pools grow with what waits, and shrink to nothing.

use anyhow::Result;
use tidegate_tests::{Cluster, wait};

use crate::job;

const SOON_IDLE: &str = "{name: small, type: amlcompute, size: Standard_D2s_v3, min_instances: 0, max_instances: 3, \
                         idle_time_before_scale_down: 1}";

#[test]
fn a_pool_grows_from_nothing_and_shrinks_back() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(SOON_IDLE)?;
    assert_eq!(cluster.nodes("small", None)?, Vec::<String>::new());
    let gate = cluster.home().path().join("gate");
    let file = cluster.job(&job(&format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display()), ""))?;
    for run in ["a", "b", "c", "d"] {
        cluster.tidegate(["submit", &file, "--name", run])?.succeeded()?;
    }
    let working = || cluster.nodes("small", Some("running"));
    wait::until_value("three nodes at work", working, |nodes| nodes.len() == 3)?;
    assert_eq!(cluster.nodes("small", None)?.len(), 3, "never more than max_instances");
    assert_eq!(cluster.agents()?.len(), 3);
    let waiting = cluster.json(["run", "explain", "d"])?;
    assert!(waiting["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()), "{waiting}");
    assert!(waiting.to_string().contains("max_instances"), "{waiting}");

    std::fs::write(gate, "")?;
    for run in ["a", "b", "c", "d"] {
        assert_eq!(cluster.wait_for_end_of(run)?, "Completed");
    }
    cluster.wait_for_nodes("small", 0)?;
    wait::until_value("the end of all workers", || cluster.agents(), Vec::is_empty)?;
    wait::until_value("the end of all keepers", || cluster.keepers(), Vec::is_empty)?;

    // And up again.
    cluster.tidegate(["submit", &file, "--wait"])?.succeeded()?;
    cluster.tidegate(["pool", "delete", "small"])?.succeeded()?;
    wait::until("the pool to be gone", || {
        Ok((cluster.tidegate(["pool", "show", "small"])?.code == Some(3)).then_some(()))
    })
}

#[test]
fn a_pool_keeps_as_many_nodes_as_it_is_told_to() -> Result<()> {
    let cluster = Cluster::up()?;
    let kept = SOON_IDLE.replace("min_instances: 0", "min_instances: 2");
    cluster.apply(&kept)?;
    let idle = || cluster.nodes("small", Some("idle"));
    wait::until_value("two nodes without work", idle, |nodes| nodes.len() == 2)?;
    cluster.apply(SOON_IDLE)?;
    cluster.wait_for_nodes("small", 0)
}

#[test]
fn nodes_that_do_not_boot_are_replaced_and_told_of() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(
        "{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 1, tidegate: {boot_failures: 2}}",
    )?;
    let file = cluster.job(&job("echo at last", ""))?;
    cluster.tidegate(["submit", &file, "--name", "late"])?.succeeded()?;
    let show = || cluster.json(["pool", "show", "small"]);
    let failing = wait::until_value("a failed boot", show, |pool| pool["last_failure"].is_string())?;
    assert!(failing["boot_failures"].as_u64() >= Some(1), "{failing}");
    assert_eq!(cluster.wait_for_end_of("late")?, "Completed");
    Ok(())
}
