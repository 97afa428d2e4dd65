//! A new release is put in place: all controllers are restarted, one after another, and work goes on.

use std::time::Instant;

use anyhow::{Context, Result};
use tidegate_tests::faults::Said;

use crate::{cluster, demand_all};

#[test]
fn a_rolling_restart_under_load_loses_no_run_and_refuses_none_for_long() -> Result<()> {
    let (mut replicas, model) = cluster(3)?;
    model.submit_during(3, || {
        for at in 0..replicas.count() {
            model.wait_for_more(20)?;
            let begun = Instant::now();
            let status = replicas.stop(at)?;
            println!("controller {at} stops in {:.3?}", begun.elapsed());
            assert!(status.success(), "controller {at} ended with {status}:\n{}", replicas.log(at));
            model.wait_for_more(20).with_context(|| format!("without controller {at}"))?;
            let begun = Instant::now();
            replicas.start(at)?;
            replicas.wait_for_all()?;
            println!("controller {at} is back, and has caught up, in {:.3?}", begun.elapsed());
        }
        model.wait_for_more(20)
    })?;
    demand_all(&replicas, &model)?;

    // The last was the leader for the third at least: leadership was given away, not lost.
    let terms = replicas.leads()?.len();
    assert!((2..=6).contains(&terms), "{:?}", replicas.leads()?);
    let (mut refused, mut silent) = (0, 0);
    for one in model.submissions() {
        refused += one.tries.iter().filter(|one| matches!(one.said, Said::Later(_))).count();
        silent += one.tries.iter().filter(|one| matches!(one.said, Said::Nothing(_))).count();
    }
    println!("{terms} terms; {refused} requests were answered `later`, {silent} not at all");
    replicas.finish()
}
