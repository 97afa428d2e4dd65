//! Runs that ask for a part of a node share it.

use anyhow::Result;
use serde_json::Value;
use tidegate_tests::{Cluster, wait};

use crate::job;

#[test]
fn parts_of_a_node_are_filled_up_and_never_beyond() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply("{name: small, type: amlcompute, size: Standard_D4s_v3, max_instances: 1}")?;
    let gate = cluster.home().path().join("gate");
    let hold = format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display());
    let one = cluster.job(&job(&hold, "resources: {cpus: 1}\n"))?;
    let two = cluster.job(&job(&hold, "resources: {cpus: 2, memory: 1Gi}\n"))?;
    let whole = cluster.job(&job("true", ""))?;
    cluster.tidegate(["submit", &two, "--name", "two"])?.succeeded()?;
    for name in ["one-a", "one-b", "one-c"] {
        cluster.tidegate(["submit", &one, "--name", name])?.succeeded()?;
    }
    cluster.tidegate(["submit", &whole, "--name", "whole"])?.succeeded()?;
    for name in ["two", "one-a", "one-b"] {
        cluster.wait_for_state(name, "Running")?;
    }
    let nodes = cluster.json(["node", "list"])?;
    let node = &nodes["items"][0];
    assert_eq!(node["runs"].as_array().map(Vec::len), Some(3), "{node}");
    assert_eq!(node["free_vcpu"], 0, "{node}");
    assert_eq!(cluster.state("one-c")?, "Queued");
    assert_eq!(cluster.state("whole")?, "Queued");
    std::fs::write(gate, "")?;
    for name in ["two", "one-a", "one-b", "one-c", "whole"] {
        assert_eq!(cluster.wait_for_end_of(name)?, "Completed", "{name}");
    }
    let free = || Ok(cluster.json(["node", "list"])?["items"][0]["free_vcpu"].clone());
    wait::until_value("the whole node to be free", free, |free: &Value| *free == 4)?;
    Ok(())
}

#[test]
fn what_can_never_fit_is_refused_at_once() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply("{name: small, type: amlcompute, size: Standard_D4s_v3, max_instances: 1}")?;
    for (resources, word) in [("cpus: 5", "4"), ("cpus: 1, memory: 17Gi", "16"), ("cpus: 1, gpus: 1", "GPU")]
    {
        let file = cluster.job(&job("true", &format!("resources: {{{resources}}}\n")))?;
        let refused = cluster.tidegate(["submit", &file])?.ended_with(3)?;
        assert!(refused.stderr.contains(word) && refused.stderr.contains("small"), "{refused}");
    }
    Ok(())
}
