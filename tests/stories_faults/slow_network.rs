//! A bad network between all hosts: packets are lost, and those that are not arrive late.

use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_tests::faults::Demand;

use crate::{CLIENTS, controllers, demand_all, start};

const LOST_PER_MILLE: u32 = 50;
/// One way.
const DELAY: Duration = Duration::from_millis(50);

#[test]
fn five_per_cent_of_loss_and_50_ms_of_delay_are_slow_and_no_more() -> Result<()> {
    let Some(mut replicas) = controllers("five_per_cent_of_loss")? else { return Ok(()) };
    let model = start(&mut replicas)?;
    model.submit_during(CLIENTS, || {
        let before = replicas.wait_for_all()?;
        let hosts = replicas.hosts().context("they are in hosts")?;
        hosts.set_loss(LOST_PER_MILLE)?;
        hosts.set_delay(DELAY)?;
        model.wait_for_more(60)?;
        // And then the leader is lost.
        let leader = replicas.leader()?;
        println!("{} elections by loss and delay alone", leader.term - before.term);
        replicas.kill(leader.at)?;
        replicas.wait_for_lead_after(leader.term)?;
        model.wait_for_more(30)?;
        replicas.start(leader.at)?;
        replicas.wait_until_ready(leader.at)?;
        model.wait_for_more(30)?;
        let hosts = replicas.hosts().context("they are in hosts")?;
        hosts.set_delay(Duration::ZERO)?;
        hosts.set_loss(0)?;
        replicas.wait_for_all().map(drop)
    })?;
    demand_all(&replicas, &model, Demand::OneResult)?;
    replicas.finish()
}
