//! Agents are killed again and again while their runs go on.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use rand::Rng;
use tidegate_tests::{Cluster, Tally, chance, wait};

use crate::{
    clients::{Seen, submit},
    load, verdict,
};

const KILLS: usize = 20;
const RUNS: usize = 500;
const NODES: u32 = 4;

#[test]
fn agents_killed_twenty_times_under_load_lose_and_double_nothing() -> Result<()> {
    let mut chance = chance("agents killed twenty times")?;
    let cluster = Cluster::up()?;
    cluster.apply(&load::pool(NODES))?;
    let tally = Tally::new(&cluster.home().path().join("tally"))?;
    let caller = cluster.caller()?;
    let mut runs = load::lasting();
    for run in &runs {
        submit(&caller, &tally, run)?;
    }
    for run in &runs {
        cluster.wait_for_state(&run.name, "Running")?;
    }
    let keepers = cluster.keepers()?;
    assert!(!keepers.is_empty());
    let short = load::short(RUNS, &mut chance);
    runs.extend(short.iter().cloned());

    let stop = AtomicBool::new(false);
    let seen = Seen::default();
    let mut caught = Vec::new();
    thread::scope(|scope| -> Result<()> {
        let watcher = scope.spawn(|| seen.watch(&caller, &tally, &stop));
        let killed: Result<()> = short.chunks(RUNS / KILLS).try_for_each(|batch| {
            batch.iter().try_for_each(|run| submit(&caller, &tally, run))?;
            thread::sleep(Duration::from_millis(chance.random_range(0..1000)));
            // The one killed last may not be back yet, the others are there.
            let agents =
                wait::until_value("an agent to kill", || cluster.agents(), |agents| !agents.is_empty())?;
            agents[chance.random_range(0..agents.len())].kill()?;
            caught.push(tally.at_work("short-")?);
            Ok(())
        });
        let ended = tally.release().and_then(|()| verdict::wait_for_all(&caller, &runs));
        stop.store(true, Ordering::Release);
        let watched = watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        killed?;
        ended?;
        watched
    })?;

    println!("short commands at work at each kill, beside the lasting ones: {caught:?}");
    assert!(caught.iter().any(|count| *count > 0), "no kill came while short commands ran");
    assert!(keepers.iter().all(|keeper| keeper.is_alive()), "no keeper noticed");
    verdict::each_ran_once(&caller, &tally, &runs)?;
    verdict::nothing_ran_again(&caller, &tally, &seen.into_runs(), &runs)
}

#[test]
fn an_agent_and_the_controller_killed_together_leave_the_runs_alone() -> Result<()> {
    let mut cluster = Cluster::up()?;
    cluster.apply(&load::pool(2))?;
    let tally = Tally::new(&cluster.home().path().join("tally"))?;
    let caller = cluster.caller()?;
    let runs = load::lasting();
    for run in &runs {
        submit(&caller, &tally, run)?;
    }
    for run in &runs {
        cluster.wait_for_state(&run.name, "Running")?;
    }
    let processes = cluster.run_processes()?;
    for round in 0..3 {
        let agents = cluster.agents()?;
        cluster.kill_controller()?;
        agents.iter().try_for_each(|agent| agent.kill())?;
        if round == 2 {
            // They end while nobody is there to see it.
            tally.release()?;
            wait::until("the end of all commands", || {
                let ended = runs.iter().map(|run| tally.of(&run.name, 0)).collect::<Result<Vec<_>>>()?;
                Ok(ended.iter().all(|run| run.ended == [1]).then_some(()))
            })?;
        } else {
            let mains = processes.iter().filter(|process| process.is_alive()).count();
            assert!(mains >= runs.len(), "the runs do not notice: {mains}");
        }
        cluster.restart().with_context(|| format!("round {round}"))?;
    }
    verdict::wait_for_all(&caller, &runs)?;
    verdict::each_ran_once(&caller, &tally, &runs)
}
