//! A leader that stands still for half a minute, and then goes on as if nothing had been.

use std::{thread, time::Duration};

use anyhow::Result;
use tidegate_tests::faults::Demand;

use crate::{CLIENTS, controllers, demand_all, start};

const STOPPED: Duration = Duration::from_secs(30);

#[test]
fn a_leader_that_stood_still_for_30_s_doubles_nothing_when_it_goes_on() -> Result<()> {
    let Some(mut replicas) = controllers("a_leader_that_stood_still")? else { return Ok(()) };
    let model = start(&mut replicas)?;
    model.submit_during(CLIENTS, || {
        let before = replicas.wait_for_all()?;
        model.wait_for_more(20)?;
        let stopped = replicas.pause(before.at)?;
        let next = replicas.wait_for_lead_after(before.term)?;
        assert_ne!(next.at, before.at);
        // It is the fault itself that lasts.
        thread::sleep(STOPPED);
        let acknowledged = model.acknowledged();
        stopped.resume()?;
        let after = replicas.wait_for_all()?;
        assert_eq!((after.at, after.term), (next.at, next.term), "it does not lead when it goes on");
        println!("{acknowledged} were acknowledged while it stood still");
        model.wait_for_more(20)
    })?;
    demand_all(&replicas, &model, Demand::Once)?;
    replicas.finish()
}
