//! Faults at random, one after another and for as long as it is said, on real processes: three controllers and five workers
//! in hosts of their own. Clients submit all the time; after every few faults all is healed, and what the clients were
//! told is compared with what was executed.
//!
//! `SOAK_MINUTES` says how long (20 unless it is set), `TIDEGATE_SEED` repeats one's course.

mod fault;

use std::{
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rand::{Rng, rngs::StdRng};
use serde_json::json;
use tidegate_tests::{
    Replicas, Tally, chance,
    faults::{ClientModel, Demand, Faked, Hosts},
    wait,
};

use fault::Fault;

const CONTROLLERS: usize = 3;
const WORKERS: usize = 5;
const CLIENTS: usize = 3;
/// Faults between two verdicts.
const FAULTS: usize = 12;
/// A cluster with a majority goes on within this time, whatever else is wrong.
const GOES_ON: Duration = Duration::from_secs(120);
const MINUTES: u64 = 20;
const STORY: &str = "soak";
/// Of each controller's disk.
const DISK_MIB: u32 = 512;

#[test]
fn soak_random_faults_of_one_controller_at_a_time_lose_and_double_nothing() -> Result<()> {
    let mut chance = chance(STORY)?;
    let minutes = match env::var("SOAK_MINUTES") {
        Ok(text) => text.parse().with_context(|| format!("SOAK_MINUTES is `{text}`"))?,
        Err(_) => MINUTES,
    };
    let until = Instant::now() + Duration::from_secs(60 * minutes);
    let Some(mut replicas) = cluster()? else { return Ok(()) };
    let mut round = 0;
    while Instant::now() < until {
        round += 1;
        play(&mut replicas, &mut chance, round).with_context(|| format!("round {round}"))?;
    }
    replicas.finish()
}

/// Controllers with disks and clocks of their own, and a worker in each of the other hosts.
fn cluster() -> Result<Option<Replicas>> {
    let Some(hosts) = Hosts::new(STORY, CONTROLLERS + WORKERS)? else { return Ok(None) };
    let mut replicas = Replicas::in_hosts(hosts, CONTROLLERS)?;
    for at in 0..CONTROLLERS {
        if !replicas.put_on_small_disk(at, STORY, DISK_MIB)?
            || !replicas.give_clock(at, STORY, Faked::Wall)?
        {
            return Ok(None);
        }
    }
    replicas.start_all()?;
    let pool = json!({
        "type": "amlcompute", "size": "Standard_D2s_v3", "min_instances": WORKERS, "max_instances": WORKERS,
    });
    replicas.caller(0).apply_pool("busy", &pool)?;
    Ok(Some(replicas))
}

/// Some faults, then a verdict.
fn play(replicas: &mut Replicas, chance: &mut StdRng, round: usize) -> Result<()> {
    let tally = Tally::new(&replicas.home().path().join(format!("tally-{round}")))?;
    let callers = replicas.callers().into_iter().map(|caller| caller.patience(Duration::from_secs(1)));
    let model = ClientModel::new(callers.collect(), tally, &format!("round{round}"))
        .body("sleep 0.1")
        .pause(Duration::from_millis(50))
        .give_up(GOES_ON);
    model.submit_during(CLIENTS, || {
        for _ in 0..FAULTS {
            let fault = Fault::draw(chance, CONTROLLERS, WORKERS);
            let lasts = Duration::from_millis(chance.random_range(100..6000));
            println!("round {round}: {fault:?} for {lasts:.1?}");
            fault.happen(replicas, &model, lasts).with_context(|| format!("{fault:?} for {lasts:.1?}"))?;
        }
        replicas.wait_for_all().map(drop)
    })?;
    let caller = replicas.caller(replicas.leader()?.at);
    model.wait_for_all(&caller, wait::DEADLINE * 3)?;
    // No worker is out of sight for as long as it takes to give it up.
    let verdict = model.verdict(&caller, Demand::Once)?;
    verdict.holds(GOES_ON)?;
    ensure!(verdict.submitted == verdict.acknowledged, "some were given up: {verdict:?}");
    println!(
        "round {round}: {} submissions, each executed once; the slowest took {:.1?}, {} terms so far",
        verdict.acknowledged,
        verdict.longest_wait,
        replicas.leads()?.len()
    );
    Ok(())
}
