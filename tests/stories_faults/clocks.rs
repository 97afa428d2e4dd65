//! Clocks that are wrong, each in its own way, and jump while controllers lead and follow.

use anyhow::Result;
use tidegate_tests::faults::{Demand, Faked};

use crate::{CLIENTS, CONTROLLERS, controllers, demand_all, start};

const STORY: &str = "clocks_that_jump";
const HOUR: f64 = 3600.0;

#[test]
fn clocks_that_jump_change_nothing_but_what_is_shown() -> Result<()> {
    let Some(mut replicas) = controllers(STORY)? else { return Ok(()) };
    for at in 0..CONTROLLERS {
        if !replicas.give_clock(at, STORY, Faked::Wall)? {
            return Ok(());
        }
    }
    // They begin with clocks that differ.
    replicas.clock(1)?.set(0.5 * HOUR)?;
    replicas.clock(2)?.set(-0.5 * HOUR)?;
    let model = start(&mut replicas)?;
    model.submit_during(CLIENTS, || {
        let before = replicas.wait_for_all()?;
        // The leader jumps on, and back, by more than anything waits for.
        for ahead in [HOUR, -HOUR, 20.0 * HOUR, 0.0] {
            replicas.clock(before.at)?.set(ahead)?;
            model.wait_for_more(15)?;
            assert_eq!(replicas.leader()?, before, "a jump by {ahead} s is no reason for an election");
        }
        // So do the followers, one on and the other one back, at the same time.
        for ahead in [HOUR, -HOUR, 20.0 * HOUR] {
            for (at, sign) in [(1, 1.0), (2, -1.0)] {
                replicas.clock((before.at + at) % CONTROLLERS)?.set(sign * ahead)?;
            }
            model.wait_for_more(15)?;
            assert_eq!(
                replicas.leader()?,
                before,
                "followers' jumps by {ahead} s are no reason for an election"
            );
        }
        // Then another one leads, whose clock is behind, and the first one comes back with one that is ahead.
        for at in 0..CONTROLLERS {
            replicas.clock(at)?.set(if at == before.at { 2.0 * HOUR } else { -2.0 * HOUR })?;
        }
        replicas.kill(before.at)?;
        replicas.wait_for_lead_after(before.term)?;
        model.wait_for_more(15)?;
        replicas.start(before.at)?;
        replicas.wait_for_all()?;
        model.wait_for_more(15)
    })?;
    demand_all(&replicas, &model, Demand::Once)?;
    replicas.finish()
}
