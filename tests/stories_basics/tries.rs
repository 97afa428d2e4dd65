//! Trying again, limits on time, and what a command learns of itself.

use anyhow::Result;
use serde_json::Value;
use tidegate_tests::Cluster;

use crate::{POOL, job};

#[test]
fn a_command_that_fails_by_chance_is_tried_again_as_often_as_the_job_says() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let lucky = cluster
        .job(&job("echo try $TIDEGATE_ATTEMPT; [ $TIDEGATE_ATTEMPT = 3 ]", "tidegate: {retries: 4}\n"))?;
    cluster.tidegate(["submit", &lucky, "--name", "lucky", "--wait"])?.succeeded()?;
    let run = cluster.run("lucky")?;
    assert_eq!(states(&run), ["Failed", "Failed", "Completed"], "{run}");
    assert_eq!(cluster.tidegate(["run", "logs", "lucky"])?.stdout, "try 3\n", "of the last attempt");

    let unlucky = cluster.job(&job("exit 9", "tidegate: {retries: 2}\n"))?;
    cluster.tidegate(["submit", &unlucky, "--name", "unlucky", "--wait"])?.ended_with(1)?;
    let run = cluster.run("unlucky")?;
    assert_eq!(states(&run), ["Failed", "Failed", "Failed"], "{run}");
    assert_eq!(run["exit_code"], 9);
    Ok(())
}

#[test]
fn a_failed_run_is_retried_on_demand() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let mended = cluster.home().path().join("mended");
    let file = cluster.job(&job(&format!("test -e {}", mended.display()), ""))?;
    cluster.tidegate(["submit", &file, "--name", "again", "--wait"])?.ended_with(1)?;
    std::fs::write(mended, "")?;
    cluster.tidegate(["run", "retry", "again"])?.succeeded()?;
    cluster.tidegate(["run", "wait", "again"])?.succeeded()?;
    let run = cluster.run("again")?;
    assert_eq!(states(&run), ["Failed", "Completed"], "{run}");
    let well = cluster.tidegate(["run", "retry", "again"])?.ended_with(3)?;
    assert!(well.stderr.contains("again"), "{well}");
    Ok(())
}

#[test]
fn a_timeout_stops_a_run_that_ignores_sigterm_too() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let more = "limits: {timeout: 1}\ntidegate: {grace_period: 1}\n";
    let file = cluster.job(&job("trap '' TERM; echo begun; while true; do sleep 0.1; done", more))?;
    let ended = cluster.tidegate(["submit", &file, "--name", "slow", "--wait"])?.ended_with(1)?;
    let run = cluster.run("slow")?;
    let result = run["result"].as_str().unwrap_or_default();
    assert!(result.contains("time"), "{run}");
    assert!(ended.stderr.contains(result), "{ended}");
    assert_eq!(cluster.tidegate(["run", "logs", "slow"])?.stdout, "begun\n");
    assert_eq!(cluster.run_processes()?, []);
    Ok(())
}

#[test]
fn variables_are_the_jobs_and_who_it_is_and_nothing_of_the_server() -> Result<()> {
    let cluster = Cluster::options()
        .variable("TIDEGATE_STORY_SECRET", "s3cret")
        .variable("STORY_SECRET", "s3cret")
        .up()?;
    cluster.apply(POOL)?;
    let more = "environment_variables: {GREETING: 'good  morning', COUNT: 3, FLAG: true}\n";
    let file = cluster.job(&job("env", more))?;
    let ended = cluster.tidegate(["submit", &file, "--name", "who", "--stream"])?.succeeded()?;
    let has = |line: &str| ended.stdout.lines().any(|found| found == line);
    for line in
        ["GREETING=good  morning", "COUNT=3", "TIDEGATE_RUN=who", "TIDEGATE_ATTEMPT=1", "AZUREML_RUN_ID=who"]
    {
        assert!(has(line), "{line}: {ended}");
    }
    assert!(ended.stdout.lines().any(|line| line.eq_ignore_ascii_case("FLAG=true")), "{ended}");
    for secret in ["s3cret", "TOKEN", "CARGO", "XDG"] {
        assert!(!ended.stdout.contains(secret), "{secret}: {ended}");
    }
    Ok(())
}

fn states(run: &Value) -> Vec<&str> {
    let attempts = run["attempts"].as_array().into_iter().flatten();
    attempts.filter_map(|attempt| attempt["state"].as_str()).collect()
}
