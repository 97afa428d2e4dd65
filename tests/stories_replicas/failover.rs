//! The leader is lost again and again while 100,000 runs wait and runs are started all the time: another one takes over,
//! and the figures are printed.

use std::time::{Duration, Instant};

use anyhow::Result;
use tidegate_tests::{
    Replicas, Tally,
    failover::{Backlog, Fault, fail_over, tell},
    faults::{ClientModel, Demand},
    wait,
};

const CONTROLLERS: usize = 3;
const RUNS: usize = 100_000;
const NODES: u32 = 2;
/// Faults of each kind.
const TIMES: usize = 10;
/// The pool of those that submit meanwhile.
const FRONT: &str =
    "{\"type\": \"amlcompute\", \"size\": \"Standard_D2s_v3\", \"min_instances\": 1, \"max_instances\": 1}";

#[test]
fn a_leader_killed_or_stopped_ten_times_with_100_000_runs_queued_loses_and_doubles_nothing() -> Result<()> {
    let mut replicas = Replicas::found(CONTROLLERS)?;
    replicas.start_all()?;
    replicas.caller(1).apply_pool("front", &serde_json::from_str(FRONT)?)?;
    let begun = Instant::now();
    let mut backlog = Backlog::queue(&replicas, RUNS, NODES)?;
    println!("{RUNS} runs are queued in {:.1?}", begun.elapsed());

    let tally = Tally::new(&replicas.home().path().join("tally"))?;
    let callers = replicas.callers().into_iter().map(|caller| caller.patience(Duration::from_secs(2)));
    let model =
        ClientModel::new(callers.collect(), tally, "front").pool("front").pause(Duration::from_millis(100));
    model.submit_during(2, || {
        for fault in [Fault::Kill, Fault::Stop] {
            let took = (0..TIMES).map(|_| fail_over(&mut replicas, &mut backlog, fault));
            tell(fault, &took.collect::<Result<Vec<_>>>()?);
        }
        Ok(())
    })?;

    let caller = replicas.caller(replicas.leader()?.at);
    model.wait_for_all(&caller, wait::DEADLINE)?;
    let verdict = model.verdict(&caller, Demand::Once)?;
    verdict.holds(wait::DEADLINE)?;
    println!(
        "meanwhile {} submissions were acknowledged, the slowest in {:.3?}",
        verdict.acknowledged, verdict.longest_wait
    );
    let complete = backlog.demand(&caller, 10)?;
    println!("{complete} runs were executed, each once; all others wait");
    replicas.finish()
}
