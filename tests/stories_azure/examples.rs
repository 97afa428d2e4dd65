//! Our own job files, which together use every key, end as the comment at their head says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_tests::{Cluster, Finished};

/// How a file is submitted beside its name, how it ends, and what it prints.
struct Expected {
    file: &'static str,
    more: &'static [&'static str],
    code: i32,
    prints: fn(&str) -> bool,
}

const fn completes(file: &'static str, prints: fn(&str) -> bool) -> Expected {
    Expected { file, more: &["--stream"], code: 0, prints }
}

/// Every job file. What is checked beyond the prints has a test of its own below.
const EXPECTED: [Expected; 17] = [
    Expected {
        file: "array.yml",
        more: &["--count", "8", "--stream"],
        code: 0,
        prints: |text| text.contains("element 0 of 8"),
    },
    completes("careful.yml", |text| text == "writing to a place that only one may write to\n"),
    completes("env-vars.yml", |text| {
        text.starts_with("GREETING=good morning RETRIES=3 DEBUG=") && text.contains("TIDEGATE_RUN=env-vars")
    }),
    completes("environment.yml", |text| text.starts_with("Python 3.")),
    Expected {
        file: "failing.yml",
        more: &["--stream"],
        code: 1,
        prints: |text| text == "reading the data\n",
    },
    completes("hello.yml", |text| text.starts_with("Hello from run hello on Linux")),
    Expected {
        file: "after.yml",
        more: &["--count", "8", "--stream"],
        code: 0,
        prints: |text| text.contains("part 0 of 8, after hello and failing"),
    },
    Expected {
        file: "inputs.yml",
        more: &["--set", "inputs.rounds=5", "--stream"],
        code: 0,
        prints: |text| {
            text.starts_with("rounds=5 ") && text.contains("label='two words'") && !text.contains("comment")
        },
    },
    completes("one-process.yml", |text| text.starts_with("rank 0 of 1, master ")),
    completes("one-process-tensorflow.yml", |text| text.contains("worker")),
    completes("organised.yml", |text| text.starts_with("mean price ")),
    completes("outputs.yml", str::is_empty),
    completes("part-of-a-node.yml", |text| text.starts_with("I may use ")),
    completes("priority.yml", |text| text == "important\n"),
    completes("retries.yml", |text| text.ends_with("attempt 3\nthat worked\n")),
    Expected {
        file: "timeout.yml",
        more: &["--stream"],
        code: 1,
        prints: |text| text.starts_with("step 1\n") && text.ends_with("told to stop: saving\n"),
    },
    completes("train/train.yml", |text| text.lines().count() >= 20),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// The name under which an example runs.
fn name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file).trim_end_matches(".yml")
}

fn submit(cluster: &Cluster, expected: &Expected) -> Result<Finished> {
    let file = folder().join(expected.file).display().to_string();
    let arguments = ["submit", &file, "--name", name(expected.file)];
    cluster.tidegate(arguments.into_iter().chain(expected.more.iter().copied()))
}

#[test]
fn every_job_file_is_submitted_and_ends_as_it_says() -> Result<()> {
    let cluster = Cluster::up()?;
    for expected in &EXPECTED {
        let ended = submit(&cluster, expected)?.ended_with(expected.code)?;
        assert!((expected.prints)(&ended.stdout), "{}: {ended}", expected.file);
    }
    let run = |file| cluster.run(name(file));
    assert_eq!(run("failing.yml")?["exit_code"], 42);
    let failed = cluster.tidegate(["run", "logs", "failing"])?.succeeded()?;
    assert_eq!(failed.stderr, "no such column: price\n");
    assert_eq!(attempts(&run("retries.yml")?), 3);
    assert_eq!(run("array.yml")?["elements"]["completed"], 8);
    assert_eq!(run("priority.yml")?["priority"], 90);
    let after = run("after.yml")?;
    let awaited = after["after"].as_array().context("what it waited for")?;
    let failing = awaited.iter().find(|run| run["run"] == "failing").context("failing")?;
    assert_eq!((&after["team"], &failing["ended"]), (&"nlp".into(), &"Failed".into()), "{after}");
    let timeout = run("timeout.yml")?;
    assert!(timeout["result"].to_string().contains("time"), "{timeout}");
    organised(&run("organised.yml")?);
    let list = cluster.json(["run", "list", "--experiment", "house-prices"])?;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let host = run("environment.yml")?;
    assert!(host["attempts"][0]["environment"].to_string().contains("host"), "{host}");
    assert!(host["notes"].to_string().contains("python:3.11-slim"), "the warning names it: {host}");
    outputs(&cluster)
}

fn attempts(run: &Value) -> usize {
    run["attempts"].as_array().map_or(0, Vec::len)
}

fn organised(run: &Value) {
    assert_eq!(run["display_name"], "House prices, baseline");
    assert_eq!(
        (&run["tags"]["stage"], &run["properties"]["dataset"]),
        (&"baseline".into(), &"prices.csv".into())
    );
}

fn outputs(cluster: &Cluster) -> Result<()> {
    let to = cluster.home().path().join("fetched");
    let read = |path: &str| fs::read_to_string(to.join(path)).with_context(|| path.to_owned());
    let fetch = |run: &str| {
        let place = to.join(run).display().to_string();
        cluster.tidegate(["run", "download", run, "--all", "--path", &place])?.succeeded()
    };
    fetch("outputs")?;
    assert_eq!(read("outputs/outputs/note.txt")?, "kept by itself\n");
    assert_eq!(read("outputs/named/numbers/numbers.txt")?.lines().count(), 10);
    fetch("timeout")?;
    assert_eq!(read("timeout/outputs/checkpoint")?, "17\n", "saved in the grace period");
    fetch("train")?;
    let model: Value = serde_json::from_str(&read("train/outputs/model.json")?)?;
    assert!(model.is_object(), "{model}");
    assert!(to.join("train/named/metrics").is_dir());
    Ok(())
}

#[test]
fn no_job_file_is_left_out() -> Result<()> {
    let mut found = Vec::new();
    for part in ["", "train/"] {
        for entry in fs::read_dir(folder().join(part))? {
            let entry = entry?.file_name().to_string_lossy().into_owned();
            found.extend(entry.ends_with(".yml").then(|| format!("{part}{entry}")));
        }
    }
    found.sort();
    let mut expected: Vec<_> = EXPECTED.iter().map(|expected| expected.file.to_owned()).collect();
    expected.sort();
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn every_pool_file_makes_a_pool_that_runs_something() -> Result<()> {
    let cluster = Cluster::up()?;
    for entry in fs::read_dir(folder().join("pools"))? {
        let file = entry?.path().display().to_string();
        let pool = cluster.json(["pool", "apply", &file])?;
        let name = pool["name"].as_str().context("a pool has a name")?;
        let job = format!("command: echo on {name}\nenvironment: azureml:any\ncompute: azureml:{name}\n");
        let ended = cluster.tidegate(["submit", &cluster.job(&job)?, "--stream"])?.succeeded()?;
        assert_eq!(ended.stdout, format!("on {name}\n"));
    }
    Ok(())
}
