//! The disk of one controller is full.

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_tests::{Replicas, faults::Demand, wait};

use crate::{CLIENTS, CONTROLLERS, controllers, demand_all, start};

const STORY: &str = "a_full_disk";
/// Of each controller's disk: the log's reserve, and some.
const MIB: u32 = 224;

/// Why the leader accepts nothing new, if so.
fn refusing(replicas: &Replicas) -> Result<Option<String>> {
    let status: Value = replicas.status(replicas.leader()?.at)?;
    Ok(status["refusing"].as_str().map(str::to_owned))
}

#[test]
fn a_full_disk_of_a_follower_is_not_noticed_and_one_of_the_leader_makes_another_one_lead() -> Result<()> {
    let Some(mut replicas) = controllers(STORY)? else { return Ok(()) };
    for at in 0..CONTROLLERS {
        if !replicas.put_on_small_disk(at, STORY, MIB)? {
            return Ok(());
        }
    }
    let model = start(&mut replicas)?;
    model.submit_during(CLIENTS, || {
        let before = replicas.wait_for_all()?;
        let follower = (before.at + 1) % CONTROLLERS;
        replicas.disk(follower)?.fill()?;
        model.wait_for_more(60).context("the disk of a follower is full")?;
        assert_eq!(refusing(&replicas)?, None);
        replicas.disk(follower)?.empty()?;
        let leader = replicas.wait_for_all()?;

        replicas.disk(leader.at)?.fill()?;
        let next = wait::until("another one to lead", || {
            let now = replicas.leader()?;
            Ok((now.at != leader.at).then_some(now))
        })?;
        model.wait_for_more(60).context("another one leads, whose disk has room")?;

        // What is submitted needs room on most disks; leadership goes where some is left all the same.
        replicas.disk(next.at)?.fill()?;
        let last = (0..CONTROLLERS).find(|at| ![leader.at, next.at].contains(at)).context("a third one")?;
        wait::until_value("the only one with room to lead", || Ok(replicas.leader()?.at), |at| *at == last)?;

        // Nobody has room: the last one stays, and says why it accepts nothing.
        replicas.disk(last)?.fill()?;
        let reason = wait::until("the last one to refuse new work", || refusing(&replicas))?;
        println!("the leader refuses: {reason}");
        assert!(reason.contains("no space left") || reason.contains("is full"), "{reason}");
        assert_eq!(replicas.leader()?.at, last);
        for at in 0..CONTROLLERS {
            replicas.disk(at)?.empty()?;
        }
        let id = replicas.id(leader.at).to_string();
        replicas.wait_for_all()?;
        replicas.tidegate(leader.at, &["controller", "lead", &id])?.succeeded()?;
        wait::until_value("new work to be accepted", || refusing(&replicas), Option::is_none)?;
        model.wait_for_more(30).context("there is room again")
    })?;
    demand_all(&replicas, &model, Demand::Once)?;
    replicas.finish()
}
