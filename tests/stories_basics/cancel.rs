//! Ending runs: in the queue, politely, and by force.

use std::fs;

use anyhow::Result;
use serde_json::Value;
use tidegate_tests::{Cluster, wait};

use crate::job;

const ONE_NODE: &str = "{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 1}";

#[test]
fn a_queued_run_is_cancelled_without_having_run() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(ONE_NODE)?;
    let holder = cluster.job(&job("sleep 1000", ""))?;
    let file = cluster.job(&job("echo never", ""))?;
    cluster.tidegate(["submit", &holder, "--name", "holder"])?.succeeded()?;
    cluster.wait_for_state("holder", "Running")?;
    cluster.tidegate(["submit", &file, "--name", "queued"])?.succeeded()?;
    assert_eq!(cluster.state("queued")?, "Queued");
    cluster.tidegate(["run", "cancel", "queued"])?.succeeded()?;
    assert_eq!(cluster.wait_for_end_of("queued")?, "Canceled");
    assert_eq!(cluster.run("queued")?["attempts"], Value::Array(Vec::new()));
    let again = cluster.tidegate(["run", "cancel", "queued"])?.ended_with(3)?;
    assert!(again.stderr.contains("ended"), "{again}");
    assert_eq!(cluster.state("holder")?, "Running", "the other one is left alone");
    Ok(())
}

#[test]
fn a_polite_run_uses_its_grace_and_keeps_what_it_saved() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(ONE_NODE)?;
    let command = "trap 'echo saving; echo 17 > outputs/checkpoint; exit 0' TERM\n\
                   echo working; while true; do sleep 0.1 & wait $!; done";
    let file = cluster.job(&job(command, "tidegate: {grace_period: 20}\n"))?;
    cluster.tidegate(["submit", &file, "--name", "polite"])?.succeeded()?;
    wait_for_log(&cluster, "polite", "working\n")?;
    cluster.tidegate(["run", "cancel", "polite"])?.succeeded()?;
    assert_eq!(cluster.wait_for_end_of("polite")?, "Canceled");
    let log = cluster.tidegate(["run", "logs", "polite"])?.succeeded()?;
    assert_eq!(log.stdout, "working\nsaving\n");
    let saved = cluster.caller()?.get("/runs/polite/outputs/default/outputs/checkpoint")?;
    assert_eq!(saved.body, "17\n");
    Ok(())
}

#[test]
fn a_stubborn_run_is_killed_after_its_grace_with_all_that_it_started() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(ONE_NODE)?;
    let pids = cluster.home().path().join("pids");
    // A child, a grandchild, and one in a session of its own: all of them deaf to SIGTERM.
    let command = format!(
        "trap '' TERM HUP INT\n\
         deaf='trap \"\" TERM HUP INT; echo $$ >> {pids}; while true; do sleep 1; done'\n\
         bash -c \"$deaf\" & (bash -c \"$deaf\" &) ; setsid bash -c \"$deaf\" &\n\
         echo $$ >> {pids}; echo deaf; while true; do sleep 1; done",
        pids = pids.display()
    );
    let file = cluster.job(&job(&command, "tidegate: {grace_period: 1}\n"))?;
    cluster.tidegate(["submit", &file, "--name", "stubborn"])?.succeeded()?;
    let started = wait::until("four deaf processes", || {
        let text = fs::read_to_string(&pids)?;
        Ok((text.lines().count() == 4).then_some(text))
    })?;
    let before = cluster.run_processes()?;
    assert!(before.len() >= 4, "{before:?}");
    cluster.tidegate(["run", "cancel", "stubborn"])?.succeeded()?;
    assert_eq!(cluster.wait_for_end_of("stubborn")?, "Canceled");
    assert!(before.iter().all(|process| !process.is_alive()), "{before:?}");
    assert_eq!(cluster.run_processes()?, []);
    for pid in started.lines() {
        let ours = fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("pids"));
        assert!(!ours, "process {pid} lives on");
    }
    let next = cluster.job(&job("echo next", ""))?;
    cluster.tidegate(["submit", &next, "--wait"])?.succeeded()?;
    Ok(())
}

/// Waits until a run has printed exactly this.
fn wait_for_log(cluster: &Cluster, name: &str, text: &str) -> Result<()> {
    let read = || Ok(cluster.tidegate(["run", "logs", name])?.stdout);
    wait::until_value(&format!("{name} to print {text:?}"), read, |log| log == text).map(drop)
}
