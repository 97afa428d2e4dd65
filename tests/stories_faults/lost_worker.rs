//! A worker that is cut off for longer than it is believed to be alive: it is given back, and its runs are tried again
//! elsewhere.

use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_tests::{
    Replicas, Role,
    faults::{ClientModel, Demand},
    wait,
};

use crate::{CONTROLLERS, WORKERS, controllers, demand_all, nodes, start};

/// As many as the workers have slots.
const RUNS: usize = 2 * WORKERS;
/// More than the time for which a silent worker keeps its runs.
const LOST: Duration = Duration::from_secs(120);

/// Each lasts until it is released.
const LASTS: &str = "while [ ! -e $TALLY/release ]; do sleep 0.1; done";

/// Runs whose commands were started so often.
fn started(model: &ClientModel, times: usize) -> Result<Vec<String>> {
    let names = model.submissions().into_iter().map(|one| one.name);
    let mut found = Vec::new();
    for name in names {
        if model.tally().of(&name, 0)?.started.len() == times {
            found.push(name);
        }
    }
    Ok(found)
}

#[test]
fn runs_of_a_worker_out_of_sight_are_tried_again_and_have_one_result() -> Result<()> {
    let Some(mut replicas) = controllers("runs_of_a_worker_out_of_sight")? else { return Ok(()) };
    let model = start(&mut replicas)?.body(LASTS);
    model.submit(RUNS, 2)?;
    wait::until_value("all commands to start", || started(&model, 1), |runs| runs.len() == RUNS)?;

    let worker = CONTROLLERS + WORKERS - 1;
    let hosts = replicas.hosts().context("they are in hosts")?;
    hosts.cut_off(worker)?;
    wait::until_value("the worker to be silent", || nodes(&replicas, "silent"), |silent| *silent == 1)?;
    // A leader that is lost meanwhile: the next one believes each worker for a while anew.
    let leader = replicas.leader()?;
    replicas.kill(leader.at)?;
    replicas.wait_for_lead_after(leader.term)?;
    replicas.start(leader.at)?;
    replicas.wait_for_all()?;
    wait::until_within(LOST, "its two runs to be tried again", || {
        Ok((started(&model, 2)?.len() == 2).then_some(()))
    })?;
    // Its provider reaches it, if nobody else does: what it still does ends with it.
    wait::until_value("the first attempts to end", || mains(&replicas), |mains| *mains == RUNS)?;
    replicas.hosts().context("they are in hosts")?.heal()?;
    model.tally().release()?;
    demand_all(&replicas, &model, Demand::OneResult)?;
    for name in started(&model, 2)? {
        let ended = model.tally().of(&name, 0)?.ended;
        assert_eq!(ended, [2], "{name}: the second attempt has its result");
    }
    replicas.finish()
}

/// Commands that run: each is a shell, beside what it has started.
fn mains(replicas: &Replicas) -> Result<usize> {
    let processes = replicas.processes(Role::Run)?;
    let shells = processes.iter().filter(|process| {
        let line = std::fs::read_to_string(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
        line.contains("release")
    });
    Ok(shells.count())
}
