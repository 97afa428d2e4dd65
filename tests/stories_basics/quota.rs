//! Quota: a run that has to wait for it says so, and starts once it is raised.

use anyhow::Result;
use tidegate_tests::{Cluster, wait};

use crate::job;

#[test]
fn a_run_over_quota_explains_itself_and_starts_once_the_quota_is_raised() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply("{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 4}")?;
    let family = cluster.json(["pool", "show", "small"])?["family"].as_str().unwrap_or_default().to_owned();
    cluster.tidegate(["quota", "set", &family, "2"])?.succeeded()?;
    let gate = cluster.home().path().join("gate");
    let file = cluster.job(&job(&format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display()), ""))?;
    cluster.tidegate(["submit", &file, "--name", "within"])?.succeeded()?;
    cluster.wait_for_state("within", "Running")?;
    cluster.tidegate(["submit", &file, "--name", "beyond"])?.succeeded()?;

    let explain = || cluster.tidegate(["run", "explain", "beyond"])?.succeeded();
    let told = wait::until_value("the quota to be named", explain, |told| told.stdout.contains("quota"))?;
    assert!(told.stdout.contains(&family) && told.stdout.contains("tidegate quota set"), "{told}");
    let machine = cluster.json(["run", "explain", "beyond"])?;
    assert!(machine["reasons"][0]["details"]["reason"].is_string(), "{machine}");
    let quotas = cluster.json(["quota", "list"])?;
    let ours = quotas["items"].as_array().into_iter().flatten().find(|quota| quota["limit"] == 2);
    assert_eq!(ours.map(|quota| &quota["used"]), Some(&2.into()), "{quotas}");
    assert_eq!(cluster.nodes("small", None)?.len(), 1, "nothing was granted beyond it");

    cluster.tidegate(["quota", "set", &family, "4"])?.succeeded()?;
    cluster.wait_for_state("beyond", "Running")?;
    // A cut below use is legal, and stops nothing.
    cluster.tidegate(["quota", "set", &family, "1"])?.succeeded()?;
    assert_eq!(cluster.state("within")?, "Running");
    std::fs::write(gate, "")?;
    for name in ["within", "beyond"] {
        assert_eq!(cluster.wait_for_end_of(name)?, "Completed");
    }
    let unknown = cluster.tidegate(["quota", "set", "standardNoSuchFamily", "4"])?;
    assert!(unknown.code == Some(3) || unknown.code == Some(0), "{unknown}");
    Ok(())
}
