//! The leader is cut off from all others, again and again, while 100,000 runs wait and runs are started all the time.

use std::time::Instant;

use anyhow::Result;
use tidegate_tests::failover::{Backlog, Fault, fail_over, tell};

use crate::{WORKERS, controllers};

const RUNS: usize = 100_000;
const TIMES: usize = 10;

#[test]
fn a_leader_cut_off_ten_times_with_100_000_runs_queued_loses_and_doubles_nothing() -> Result<()> {
    let Some(mut replicas) = controllers("a_leader_cut_off_ten_times")? else { return Ok(()) };
    replicas.start_all()?;
    let begun = Instant::now();
    let mut backlog = Backlog::queue(&replicas, RUNS, u32::try_from(WORKERS)?)?;
    println!("{RUNS} runs are queued in {:.1?}", begun.elapsed());
    let took = (0..TIMES).map(|_| fail_over(&mut replicas, &mut backlog, Fault::Cut));
    tell(Fault::Cut, &took.collect::<Result<Vec<_>>>()?);
    let complete = backlog.demand(&replicas.caller(replicas.leader()?.at), 10)?;
    println!("{complete} runs were executed, each once; all others wait");
    replicas.finish()
}
