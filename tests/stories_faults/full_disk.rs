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
fn a_full_disk_of_a_follower_is_not_noticed_and_one_of_the_leader_loses_nothing() -> Result<()> {
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
        let told = wait::until("the leader to refuse new work, or another one to lead", || {
            Ok(match refusing(&replicas)? {
                Some(reason) => Some(Some(reason)),
                None => (replicas.leader()?.at != leader.at).then_some(None),
            })
        })?;
        if let Some(reason) = told {
            println!("the leader refuses: {reason}");
            assert!(reason.contains("no space left") || reason.contains("is full"), "{reason}");
            let other = replicas.id((leader.at + 1) % CONTROLLERS).to_string();
            replicas.tidegate(leader.at, &["controller", "lead", &other])?.succeeded()?;
        }
        model.wait_for_more(60).context("another one leads, whose disk has room")?;
        replicas.disk(leader.at)?.empty()?;
        let id = replicas.id(leader.at).to_string();
        replicas.wait_for_all()?;
        replicas.tidegate(leader.at, &["controller", "lead", &id])?.succeeded()?;
        wait::until_value("new work to be accepted", || refusing(&replicas), Option::is_none)?;
        model.wait_for_more(30).context("there is room again")
    })?;
    demand_all(&replicas, &model, Demand::Once)?;
    replicas.finish()
}
