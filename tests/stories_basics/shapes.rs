//! What programs read: the shapes of `-o json` stay.

use anyhow::Result;
use serde_json::Value;
use tidegate_tests::Cluster;

use crate::{POOL, job};

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

fn has(value: &Value, wanted: &[&str]) {
    let keys = keys(value);
    let missing: Vec<_> = wanted.iter().filter(|key| !keys.contains(key)).collect();
    assert!(missing.is_empty(), "{missing:?} in {value}");
}

#[test]
fn every_command_prints_json_that_programs_can_rely_on() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let file = cluster.job(&job("echo x > outputs/x", "tags: {team: vision}\ndisplay_name: Shape\n"))?;

    let submitted = cluster.json(["submit", &file, "--name", "shape"])?;
    assert_eq!(keys(&submitted), ["known", "name", "url", "workspace"]);
    assert_eq!(cluster.wait_for_end_of("shape")?, "Completed");
    let run = cluster.run("shape")?;
    has(&run, &["name", "display_name", "workspace", "experiment", "pool", "state", "count", "elements"]);
    has(&run, &["submitted_at", "started_at", "ended_at", "exit_code", "result", "tags", "job", "attempts"]);
    has(&run, &["priority", "need", "retries", "grace_seconds", "outputs", "notes", "element", "properties"]);
    assert_eq!((&run["state"], &run["exit_code"]), (&"Completed".into(), &0.into()));
    assert_eq!(run["tags"]["team"], "vision");
    has(&run["attempts"][0], &["attempt", "fence", "node", "state", "started_at", "ended_at", "cpu_seconds"]);
    has(&run["attempts"][0], &["max_rss_mib", "environment", "confinement"]);

    let list = cluster.json(["run", "list", "--tag", "team=vision"])?;
    assert_eq!(list["items"][0]["name"], "shape");
    assert_eq!(cluster.json(["run", "list", "--tag", "team=other"])?["items"], Value::Array(Vec::new()));
    assert_eq!(cluster.json(["run", "list", "--state", "Failed"])?["items"], Value::Array(Vec::new()));

    let pool = cluster.json(["pool", "show", "small"])?;
    has(&pool, &["name", "workspace", "location", "size", "family", "tier", "vcpu", "memory_mib", "gpus"]);
    has(&pool, &["min_instances", "max_instances", "idle_time_before_scale_down", "nodes", "open_runs"]);
    let pools = cluster.json(["pool", "list"])?;
    assert!(pools["items"].as_array().is_some_and(|pools| pools.iter().any(|pool| pool["name"] == "small")));
    let nodes = cluster.json(["node", "list"])?;
    has(&nodes["items"][0], &["name", "pool", "workspace", "state", "for_seconds", "age_seconds", "runs"]);
    let quota = cluster.json(["quota", "set", pool["family"].as_str().unwrap_or_default(), "8"])?;
    has(&quota, &["family", "tier", "region", "limit", "used", "reserved", "provisioning", "bound"]);
    has(&cluster.json(["quota", "list"])?["items"][0], &["family", "tier", "region", "used"]);
    let status = cluster.json(["status"])?;
    has(&status, &["version", "data", "leader", "applied", "uptime_seconds", "pools", "nodes", "open_runs"]);
    has(&cluster.json(["run", "explain", "shape"])?, &["name", "state", "summary", "reasons"]);
    let waited = cluster.json(["run", "wait", "shape"])?;
    has(&waited, &["name", "state", "count", "elements", "exit_code"]);
    has(&cluster.json(["spec", &file])?, &["properties"]);
    let fetched = cluster.json(["run", "download", "shape", "--path", "here"])?;
    assert_eq!(keys(&fetched[0]), ["bytes", "files", "name", "tree"]);
    let yaml = cluster.tidegate(["status", "-o", "yaml"])?.succeeded()?;
    assert!(yaml.stdout.contains("leader: true"), "{yaml}");

    // What people read stays off standard output where programs read it.
    let wait = cluster.tidegate(["submit", &file, "--wait", "-o", "json"])?.succeeded()?;
    assert_eq!(wait.json::<Value>()?["state"], "Completed");
    Ok(())
}
