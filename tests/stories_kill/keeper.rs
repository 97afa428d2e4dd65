//! A keeper is killed: what it owned cannot be trusted to be alone any more, so it is ended and queued again.

use anyhow::{Context, Result};
use tidegate_tests::{Cluster, Tally, wait};

use crate::{
    clients::submit,
    load,
    verdict::{completed, wait_for_all},
};

#[test]
fn runs_of_a_killed_keeper_are_queued_again_and_end() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(&load::pool(2))?;
    let tally = Tally::new(&cluster.home().path().join("tally"))?;
    let caller = cluster.caller()?;
    let runs = load::lasting();
    for run in &runs {
        submit(&caller, &tally, run)?;
    }
    for run in &runs {
        cluster.wait_for_state(&run.name, "Running")?;
    }
    let keepers = cluster.keepers()?;
    let victim = keepers.first().context("there is a keeper")?;
    let processes = cluster.run_processes()?;
    let (hit, spared): (Vec<_>, Vec<_>) =
        processes.into_iter().partition(|process| process.folder == victim.folder);
    assert!(!hit.is_empty() && !spared.is_empty(), "{hit:?} {spared:?}");
    victim.kill()?;
    wait::until("the end of what the keeper owned", || {
        Ok(hit.iter().all(|process| !process.is_alive()).then_some(()))
    })?;

    let again = || {
        let of = |run: &load::Planned| Ok(tally.of(&run.name, 0)?.started);
        runs.iter().map(of).collect::<Result<Vec<_>>>()
    };
    let all_run = |started: &Vec<Vec<u32>>| started.iter().filter(|run| run.len() == 2).count() > 0;
    wait::until_value("runs of the killed keeper to run again", again, all_run)?;
    tally.release()?;
    wait_for_all(&caller, &runs)?;
    let mut twice = 0;
    for run in &runs {
        let executions = tally.of(&run.name, 0)?;
        let recorded = caller.attempts(&run.name, 0)?;
        assert_eq!(completed(&recorded), 1, "{}: {recorded:?}", run.name);
        assert_eq!(executions.started.len(), recorded.len(), "{}: {executions:?} {recorded:?}", run.name);
        assert_eq!(executions.ended.len(), 1, "{}: {executions:?}", run.name);
        match recorded.len() {
            1 => {}
            2 => {
                twice += 1;
                let told = recorded[0].to_string();
                assert_eq!(recorded[0]["state"], "Failed", "{told}");
                assert!(told.contains("keeper"), "it says why: {told}");
            }
            more => panic!("{} has {more} attempts: {recorded:?}", run.name),
        }
    }
    assert!(twice >= 1 && twice < runs.len(), "{twice} of {} were hit", runs.len());
    Ok(())
}
