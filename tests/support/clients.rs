//! The clients of the rig with a real server: what they remember is what it says.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;
use tidegate_tests::{
    Cluster, Tally,
    faults::{ClientModel, Demand},
    wait,
};

const POOL: &str =
    "{name: busy, type: amlcompute, size: Standard_D4s_v3, min_instances: 2, max_instances: 2}";

#[test]
fn clients_remember_what_a_server_promised_that_crashes() -> Result<()> {
    let mut cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let tally = Tally::new(&cluster.home().path().join("tally"))?;
    let caller = cluster.caller()?;
    let model = ClientModel::new(vec![caller.clone().patience(Duration::from_secs(2))], tally, "it")
        .arrays_of(2)
        .pause(Duration::from_millis(20));
    let stop = AtomicBool::new(false);
    let more = |than: usize| {
        wait::until_value("more runs to be acknowledged", || Ok(model.acknowledged()), |now| *now > than)
    };
    thread::scope(|scope| -> Result<()> {
        let clients = scope.spawn(|| model.submit_until(&stop, 2));
        let mut crash = || -> Result<()> {
            for _ in 0..2 {
                more(model.acknowledged() + 5)?;
                cluster.kill_controller()?;
                cluster.restart()?;
            }
            more(model.acknowledged() + 5).map(drop)
        };
        let crashed = crash();
        stop.store(true, Ordering::Release);
        clients.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        crashed
    })?;
    model.wait_for_all(&caller, wait::DEADLINE)?;
    let verdict = model.verdict(&caller, Demand::Once)?;
    verdict.holds(wait::DEADLINE)?;
    assert!(verdict.acknowledged > 15 && verdict.executions == 2 * verdict.acknowledged, "{verdict:?}");
    Ok(())
}
