//! Many single runs, most of which wait all the time for the few slots that there are.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::stamps::Stamps;
use crate::{Caller, Replicas};

/// The pool of the runs.
const POOL: &str = "backlog";
/// Runs in a request.
const BATCH: usize = 1000;
/// What each command does once it has written its stamp.
const BODY: &str = "sleep 0.2";
/// How many things that are wrong an error shows.
const SHOWN: usize = 30;

/// Runs that were queued and acknowledged, and what is known of their commands.
#[derive(Debug)]
pub struct Backlog {
    runs: usize,
    /// When commands were started.
    pub stamps: Stamps,
}

impl Backlog {
    /// Queues so many runs on a pool of so many nodes of four slots each, and returns when all are acknowledged.
    ///
    /// # Errors
    /// One is refused.
    pub fn queue(replicas: &Replicas, runs: usize, nodes: u32) -> Result<Backlog> {
        let leader = replicas.leader()?;
        let caller = replicas.caller(leader.at);
        let pool = json!({
            "type": "amlcompute", "size": "Standard_D4s_v3", "min_instances": nodes, "max_instances": nodes,
        });
        caller.apply_pool(POOL, &pool)?;
        let stamps = Stamps::new(&replicas.home().path().join("stamps"))?;
        let job = json!({
            "command": stamps.command(BODY),
            "environment": "azureml:any",
            "compute": format!("azureml:{POOL}"),
            "resources": {"cpus": 1},
        });
        for first in (0..runs).step_by(BATCH) {
            let batch = first..runs.min(first + BATCH);
            let batch: Vec<Value> = batch.map(|at| json!({"name": name(at), "job": job})).collect();
            let answer = caller.post("/runs:batch", &json!({"runs": batch}))?;
            ensure!(answer.status == 200, "a batch was refused: {answer:?}");
            let items: Value = answer.json()?;
            let items = items["runs"].as_array().context("a batch is answered run by run")?;
            if let Some(refused) = items.iter().find(|item| item.get("problem").is_some()) {
                bail!("a run was refused: {refused}");
            }
            ensure!(items.len() == batch.len(), "{} of {} runs were answered", items.len(), batch.len());
        }
        Ok(Backlog { runs, stamps })
    }

    /// Demands that every run is there, that none was executed more often than it has attempts, and that each that is
    /// complete was executed once, has one attempt, and that one is its result. Of the complete ones the record is read of
    /// one in `one_in`. Gives how many are complete.
    ///
    /// # Errors
    /// It is not so; the error tells what is wrong.
    pub fn demand(&mut self, caller: &Caller, one_in: usize) -> Result<usize> {
        let listed = caller.list("/runs")?;
        // Later than the list: what is complete in that has written its stamp.
        self.stamps.take()?;
        let ours = |run: &&Value| run["name"].as_str().is_some_and(|name| name.starts_with("backlog-"));
        let listed: Vec<&Value> = listed.iter().filter(ours).collect();
        let mut wrong = Vec::new();
        let known: BTreeSet<&str> = listed.iter().filter_map(|run| run["name"].as_str()).collect();
        let lost = (0..self.runs).map(name).filter(|name| !known.contains(name.as_str()));
        wrong.extend(lost.map(|name| format!("{name} was acknowledged, and is lost")));
        if listed.len() != self.runs {
            wrong.push(format!("{} runs are listed, of {} that were queued", listed.len(), self.runs));
        }
        let stamps = self.stamps.by_run();
        for (run, stamps) in &stamps {
            let attempts: BTreeSet<u32> = stamps.iter().map(|stamp| stamp.attempt).collect();
            if attempts.len() != stamps.len() {
                wrong.push(format!("{run} has an attempt that was executed twice: {stamps:?}"));
            }
        }
        let mut complete = 0;
        for run in listed {
            let name = run["name"].as_str().unwrap_or_default();
            match run["state"].as_str() {
                Some("Completed") => {
                    complete += 1;
                    let executed = stamps.get(name).map_or(0, Vec::len);
                    if executed != 1 {
                        wrong.push(format!("{name} is complete, and was executed {executed} times"));
                    }
                    if executed != 1 || complete % one_in == 0 {
                        wrong.extend(wrong_record(caller, name)?);
                    }
                }
                Some("Failed" | "Canceled") | None => wrong.push(format!("{name} is {}", run["state"])),
                Some(_) => {}
            }
        }
        if !wrong.is_empty() {
            let all = wrong.len();
            bail!("{all} things are wrong:\n{}", wrong[..all.min(SHOWN)].join("\n"));
        }
        Ok(complete)
    }
}

fn name(at: usize) -> String {
    format!("backlog-{at}")
}

/// What is wrong with the attempts of a run that is complete.
fn wrong_record(caller: &Caller, name: &str) -> Result<Option<String>> {
    let attempts = caller.attempts(name, 0)?;
    let is_well = attempts.len() == 1 && attempts[0]["state"] == "Completed";
    Ok((!is_well).then(|| format!("{name} is complete by {}", Value::from(attempts))))
}
