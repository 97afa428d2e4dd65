//! The disk fills up under the server, its nodes and their logs.

use anyhow::{Context, Result};
use tidegate_tests::{Cluster, faults::SmallDisk, wait};

use crate::{POOL, says};

fn job(cluster: &Cluster, command: &str) -> Result<String> {
    cluster.job(&format!("command: {command}\nenvironment: azureml:any\ncompute: small\n"))
}

#[test]
fn a_run_that_fills_the_disk_ends_and_says_so_and_the_server_goes_on() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = SmallDisk::mount("a_run_that_fills_the_disk", &folder.path().join("disk"), 224)? else {
        return Ok(());
    };
    let cluster = Cluster::options().data(disk.path().join("data")).up()?;
    cluster.apply(POOL)?;
    cluster
        .tidegate(["submit", &job(&cluster, "echo before")?, "--name", "before", "--wait"])?
        .succeeded()?;
    let flood = job(&cluster, "yes 'some line' | head -c 600000000")?;
    cluster.tidegate(["submit", &flood, "--name", "flood"])?.succeeded()?;
    // Its log has taken the room in which it would be stored: this is told, and nothing new is begun.
    let status = || Ok(cluster.json(["status"])?["refusing"].to_string());
    let refusing = wait::until_value("new work to be refused", status, |reason| reason.contains("no space"))?;
    says(&refusing, &["no space left in", "must stay free", "free some space"]);
    let next = job(&cluster, "echo next")?;
    let refused = cluster.tidegate(["submit", &next])?.ended_with(3)?;
    says(&refused.stderr, &["no space left in", "free some space"]);
    wait::until_value("its command to end", || cluster.state("flood"), |state| state == "Finalizing")?;
    disk.resize(700)?;
    assert_eq!(cluster.wait_for_end_of("flood")?, "Failed");
    let run = cluster.run("flood")?;
    says(&run["notes"].to_string(), &["disk", "full", "may be incomplete"]);
    let log = cluster.tidegate(["run", "logs", "flood"])?.succeeded()?;
    assert!(log.stdout.starts_with("some line\n"), "{}", log.stdout.len());

    // The next one runs, and what was there is there.
    let after = job(&cluster, "echo after")?;
    wait::until("a submission to be accepted again", || {
        let ended = cluster.tidegate(["submit", &after, "--name", "after"])?;
        Ok((ended.code == Some(0)).then_some(()))
    })?;
    assert_eq!(cluster.wait_for_end_of("after")?, "Completed");
    assert_eq!(cluster.tidegate(["run", "logs", "before"])?.stdout, "before\n");
    drop(cluster);
    Ok(())
}

#[test]
fn a_full_disk_refuses_new_work_with_reason_and_takes_it_again_once_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let Some(disk) = SmallDisk::mount("a_full_disk_refuses_new_work", &folder.path().join("disk"), 224)?
    else {
        return Ok(());
    };
    let mut cluster = Cluster::options().data(disk.path().join("data")).up()?;
    cluster.apply(POOL)?;
    cluster
        .tidegate(["submit", &job(&cluster, "echo before")?, "--name", "before", "--wait"])?
        .succeeded()?;
    disk.fill()?;
    // What is accepted has to be written, and there is room for so much alone.
    let mut number = 0;
    let refused = wait::until("a submission to be refused", || {
        number += 1;
        let large = job(&cluster, &format!("echo {number} {} > /dev/null", "x".repeat(50_000)))?;
        let ended = cluster.tidegate(["submit", &large, "--name", &format!("large-{number}")])?;
        Ok((ended.code == Some(3)).then_some(ended))
    })?;
    let next = job(&cluster, "echo next")?;
    says(
        &refused.stderr,
        &["no new work is accepted", "no space left in", "must stay free", "free some space"],
    );
    let status = cluster.json(["status"])?;
    says(&status["refusing"].to_string(), &["no space left in", "free some space"]);
    // It can be restarted on the full disk, and still answers.
    cluster.kill_controller()?;
    cluster.restart()?;
    assert_eq!(cluster.state("before")?, "Completed");
    disk.empty()?;
    wait::until("a submission to be accepted again", || {
        let ended = cluster.tidegate(["submit", &next, "--name", "next"])?;
        Ok((ended.code == Some(0)).then_some(()))
    })
    .context("there is room again")?;
    assert_eq!(cluster.wait_for_end_of("next")?, "Completed");
    drop(cluster);
    Ok(())
}
