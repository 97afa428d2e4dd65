//! The support library against a real server: what stories build on must itself hold.

mod clients;

use anyhow::Result;
use tidegate_tests::{Cluster, wait};

const POOL: &str = "{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 2}";

#[test]
fn a_run_is_submitted_and_seen_through_crashes_of_everything_but_itself() -> Result<()> {
    let mut cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let job = cluster.job(
        "command: echo begun; while [ ! -e outputs/go ]; do sleep 0.05; done; echo ended\n\
         environment: azureml:any\ncompute: small\n",
    )?;
    cluster.tidegate(["submit", &job, "--name", "story"])?.succeeded()?;
    cluster.wait_for_state("story", "Running")?;

    let (agents, keepers) = (cluster.agents()?, cluster.keepers()?);
    assert_eq!((agents.len(), keepers.len()), (1, 1), "{agents:?} {keepers:?}");
    let runs = cluster.run_processes()?;
    assert!(!runs.is_empty());

    cluster.kill_controller()?;
    agents[0].kill()?;
    // Its `sleep` comes and goes; the shell, which was there first, stays.
    assert!(runs[0].is_alive(), "the run does not notice");
    cluster.restart()?;
    let go = wait::until("the run's folder", || {
        let cwd = std::fs::read_link(format!("/proc/{}/cwd", runs[0].pid))?;
        Ok(Some(cwd.join("outputs/go")))
    })?;
    std::fs::write(go, "")?;
    assert_eq!(cluster.wait_for_end_of("story")?, "Completed");
    let log = cluster.tidegate(["run", "logs", "story"])?.succeeded()?;
    assert_eq!(log.stdout, "begun\nended\n");
    assert!(cluster.stop()?.success());
    assert_eq!(cluster.agents()?, []);
    Ok(())
}

#[test]
fn nothing_is_left_behind() -> Result<()> {
    let mut cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let job = cluster.job("command: sleep 1000 & sleep 1000\nenvironment: azureml:any\ncompute: small\n")?;
    cluster.tidegate(["submit", &job, "--name", "nap"])?.succeeded()?;
    cluster.wait_for_state("nap", "Running")?;
    cluster.kill_controller()?;
    let mut processes = cluster.agents()?;
    processes.extend(cluster.keepers()?);
    processes.extend(cluster.run_processes()?);
    assert!(processes.len() > 3, "{processes:?}");
    let folder = cluster.home().path().to_owned();
    drop(cluster);
    assert!(processes.iter().all(|process| !process.is_alive()), "{processes:?}");
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn a_server_that_refuses_is_told_with_its_log() -> Result<()> {
    let first = Cluster::up()?;
    let second = Cluster::options().port(first.address().port()).up();
    let error = format!("{:#}", second.expect_err("the port is taken"));
    assert!(error.contains("the server ended with") && error.contains("in use"), "{error}");
    Ok(())
}

#[test]
fn requests_carry_what_the_story_says_and_no_more() -> Result<()> {
    let cluster = Cluster::up()?;
    let host = cluster.address().to_string();
    let bare = cluster.request("GET /api/v1/status", &[("Host", &host)], b"")?;
    assert_eq!(bare.status, 401, "{bare:?}");
    let bearer = format!("Bearer {}", cluster.token()?);
    let known = cluster.request("GET /api/v1/status", &[("Host", &host), ("Authorization", &bearer)], b"")?;
    assert_eq!(known.status, 200, "{known:?}");
    assert_eq!(known.json::<serde_json::Value>()?["leader"], true);
    Ok(())
}
