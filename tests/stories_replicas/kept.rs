//! What a leader had acknowledged before it was killed is there after the fail-over, byte for byte and row for row: what was
//! uploaded, what runs left behind and printed, and what history says of them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tidegate_store::Digest;
use tidegate_tests::{Caller, Replicas, wait};

use crate::{cluster, demand_all};

/// Runs that end before the leader is lost.
const RUNS: usize = 6;
const JOB: &str = r#"
command: |
  cat code.txt ${{inputs.data}} > outputs/both.bin
  cp ${{inputs.data}} ${{outputs.copy}}/
  cat code.txt
  cat code.txt >&2
  test ! -e fail || exit 3
code: .
inputs:
  data: {type: uri_file, path: data.bin}
outputs:
  copy: {type: uri_folder}
environment: azureml:any
compute: azureml:busy
"#;

/// A text that only this run has: longer than small blobs are, of every second one.
fn content(run: usize) -> String {
    (0..1_000 + 9_000 * (run % 2)).map(|line| format!("line {line} of {run}\n")).collect()
}

/// What its command makes of its uploads.
fn made_by(run: usize) -> String {
    format!("this is run {run}\n{}", content(run))
}

/// Writes a job in a folder of its own, and submits it.
fn submit(replicas: &Replicas, at: usize, run: usize) -> Result<String> {
    let (name, folder) = (format!("kept-{run}"), replicas.home().path().join(format!("kept-{run}")));
    fs::create_dir(&folder)?;
    let file: PathBuf = folder.join("job.yml");
    fs::write(&file, JOB)?;
    fs::write(folder.join("code.txt"), format!("this is run {run}\n"))?;
    fs::write(folder.join("data.bin"), content(run))?;
    if run % 3 == 1 {
        fs::write(folder.join("fail"), "")?;
    }
    let file = file.display().to_string();
    replicas.tidegate(at, &["submit", &file, "--name", &name])?.succeeded()?;
    Ok(name)
}

fn wait_for_end(caller: &Caller, run: &str) -> Result<()> {
    wait::until(&format!("the end of {run}"), || {
        let state: Value = caller.get(&format!("/runs/{run}"))?.json()?;
        Ok(["Completed", "Failed"].iter().any(|end| state["state"] == *end).then_some(()))
    })
}

/// All that a controller tells of a run that is over.
fn told(caller: &Caller, run: &str) -> Result<BTreeMap<String, String>> {
    let mut told = BTreeMap::new();
    let mut ask = |path: String| -> Result<String> {
        let answer = caller.get(&format!("/runs/{run}{path}"))?;
        told.insert(path, answer.body.clone());
        Ok(answer.body)
    };
    for path in ["?element=0", "/elements", "/logs?stream=stdout", "/logs?stream=stderr"] {
        ask(path.to_owned())?;
    }
    let outputs: Value = serde_json::from_str(&ask("/outputs".to_owned())?)?;
    let outputs = outputs["items"].as_array().context("outputs are listed")?;
    ensure!(outputs.len() == 2, "{run} left {outputs:?}");
    for output in outputs {
        let name = output["name"].as_str().context("an output has a name")?;
        let files: Vec<Value> = serde_json::from_str(&ask(format!("/outputs/{name}"))?)?;
        let files = files.iter().filter(|entry| entry["kind"]["file"].is_object());
        for path in files.filter_map(|file| file["path"].as_str()) {
            ask(format!("/outputs/{name}/{path}"))?;
        }
    }
    Ok(told)
}

/// Uploads a blob; gives where it is.
fn upload(caller: &Caller, content: &str) -> Result<String> {
    let path = format!("/blobs/{}", Digest::of(content.as_bytes()));
    let answer = caller.send(&format!("PUT /api/v1{path}"), content.as_bytes())?;
    ensure!(answer.status == 201, "{answer:?}");
    Ok(path)
}

#[test]
fn what_a_killed_leader_had_acknowledged_is_at_the_next_one_byte_for_byte_and_row_for_row() -> Result<()> {
    let (mut replicas, model) = cluster(3)?;
    model.submit_during(2, || {
        let before = replicas.wait_for_all()?;
        let old = replicas.caller(before.at);
        let mut known = Vec::new();
        for run in 0..RUNS {
            // By whichever controller: what it has said is done.
            let name = submit(&replicas, run % 3, run)?;
            wait_for_end(&old, &name)?;
            known.push((told(&old, &name).context("the old leader tells")?, name));
        }
        let both = known[0].0.get("/outputs/default/outputs/both.bin").context("the output is told")?;
        assert!(*both == made_by(0), "it is what the command made of its uploads");

        // The very last things that it acknowledges.
        let last = submit(&replicas, before.at, RUNS)?;
        let uploads: Vec<String> = (100..110).map(content).collect();
        let paths = uploads.iter().map(|content| upload(&old, content)).collect::<Result<Vec<_>>>()?;
        replicas.kill(before.at)?;
        replicas.wait_for_lead_after(before.term)?;

        let next = replicas.leader()?;
        assert_ne!(next.at, before.at);
        for at in (0..3).filter(|at| *at != before.at) {
            let caller = replicas.caller(at);
            for (path, upload) in paths.iter().zip(&uploads) {
                assert!(caller.get(path)?.body == *upload, "{path} by {at}");
            }
            for (before, name) in &known {
                let now = told(&caller, name).with_context(|| format!("{at} tells after the fail-over"))?;
                for (path, body) in before {
                    assert_eq!(Some(body), now.get(path), "{name}{path} by {at}");
                }
            }
        }
        let next = replicas.caller(next.at);
        wait_for_end(&next, &last)?;
        let made = told(&next, &last)?.remove("/outputs/default/outputs/both.bin").context("it made this")?;
        assert!(made == made_by(RUNS));
        println!("{} runs and {} uploads are as they were", known.len(), uploads.len());
        replicas.start(before.at)?;
        replicas.wait_for_all()?;
        Ok(())
    })?;
    demand_all(&replicas, &model)?;
    replicas.finish()
}
