//! Networks that are cut in every way that leaves a majority: it goes on, and who is on the other side promises nothing.

use anyhow::{Context, Result};
use tidegate_tests::{
    Replicas,
    faults::{Demand, Hosts},
    wait,
};

use crate::{CLIENTS, CONTROLLERS, WORKERS, controllers, demand_all, nodes, start};

/// Acknowledged during each partition, at least.
const MORE: usize = 15;

/// Cuts the network around the leader, or around a follower.
type Cut = fn(&Replicas, usize) -> Result<()>;

/// What is cut, by the number of the controller that it happens to.
const CUTS: [(&str, Cut); 4] = [
    ("reaches nobody, and nobody reaches it", |replicas, at| hosts(replicas)?.cut_off(at)),
    ("is heard by nobody", |replicas, at| {
        let hosts = hosts(replicas)?;
        hosts.cut_one_way(&[at], &hosts.others(at))
    }),
    ("hears nobody", |replicas, at| {
        let hosts = hosts(replicas)?;
        hosts.cut_one_way(&hosts.others(at), &[at])
    }),
    ("reaches the workers, and no other controller", |replicas, at| {
        let others: Vec<usize> = (0..CONTROLLERS).filter(|other| *other != at).collect();
        hosts(replicas)?.cut(&[at], &others)
    }),
];

fn hosts(replicas: &Replicas) -> Result<&Hosts> {
    replicas.hosts().context("they are in hosts")
}

#[test]
fn partitions_of_a_leader_stop_nothing_and_double_nothing() -> Result<()> {
    let Some(mut replicas) = controllers("partitions_of_a_leader")? else { return Ok(()) };
    let model = start(&mut replicas)?;
    model.submit_during(CLIENTS, || {
        for (what, cut) in CUTS {
            let before = replicas.wait_for_all()?;
            cut(&replicas, before.at)?;
            let after =
                replicas.wait_for_lead_after(before.term).with_context(|| format!("the leader {what}"))?;
            assert_ne!(after.at, before.at, "the leader {what}");
            model.wait_for_more(MORE).with_context(|| format!("the leader {what}"))?;
            hosts(&replicas)?.heal()?;
        }
        replicas.wait_for_all().map(drop)
    })?;
    demand_all(&replicas, &model, Demand::Once)?;
    replicas.finish()
}

#[test]
fn partitions_of_a_follower_or_a_worker_are_not_noticed_by_clients() -> Result<()> {
    let Some(mut replicas) = controllers("partitions_of_a_follower")? else { return Ok(()) };
    let model = start(&mut replicas)?;
    model.submit_during(CLIENTS, || {
        for (what, cut) in CUTS {
            let before = replicas.wait_for_all()?;
            cut(&replicas, (before.at + 1) % CONTROLLERS)?;
            model.wait_for_more(MORE).with_context(|| format!("a follower {what}"))?;
            hosts(&replicas)?.heal()?;
            let after = replicas.wait_for_all()?;
            // A follower that hears nobody asks before it stands for election, and one that comes back disturbs nobody.
            assert_eq!(after, before, "a follower {what}");
        }
        // A leader and a worker that do not hear each other; the worker hears the others.
        let leader = replicas.leader()?;
        let worker = CONTROLLERS + WORKERS - 1;
        hosts(&replicas)?.cut(&[leader.at], &[worker])?;
        model.wait_for_more(3 * MORE)?;
        hosts(&replicas)?.heal()?;
        // A worker that nobody hears.
        hosts(&replicas)?.cut_off(worker)?;
        wait::until_value("a worker to be silent", || nodes(&replicas, "silent"), |silent| *silent == 1)?;
        model.wait_for_more(MORE)?;
        hosts(&replicas)?.heal()?;
        wait::until_value("the worker to be heard", || nodes(&replicas, "silent"), |silent| *silent == 0)?;
        model.wait_for_more(MORE)
    })?;
    // What ran on the worker while it was out of sight went on there.
    demand_all(&replicas, &model, Demand::Once)?;
    replicas.finish()
}
