//! One run of many elements.

use anyhow::Result;
use tidegate_tests::Cluster;

use crate::{POOL, job};

#[test]
fn an_array_of_fifty_runs_each_element_once_and_keeps_each_log() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let tally = cluster.home().path().join("tally");
    std::fs::create_dir(&tally)?;
    let command = format!(
        "echo element $TIDEGATE_ARRAY_INDEX of $TIDEGATE_ARRAY_COUNT\n\
         echo ran >> {}/$TIDEGATE_ARRAY_INDEX\necho $TIDEGATE_ARRAY_INDEX > outputs/index",
        tally.display()
    );
    let file = cluster.job(&job(&command, "resources: {cpus: 1}\n"))?;
    let ended =
        cluster.tidegate(["submit", &file, "--count", "50", "--name", "fifty", "--wait"])?.succeeded()?;
    assert!(ended.stderr.contains("50 completed"), "{ended}");

    let run = cluster.run("fifty")?;
    assert_eq!((&run["count"], &run["elements"]["completed"]), (&50.into(), &50.into()), "{run}");
    let caller = cluster.caller()?;
    for element in 0..50 {
        let log = caller.get(&format!("/runs/fifty/logs?stream=stdout&element={element}"))?;
        assert_eq!(log.body, format!("element {element} of 50\n"));
        assert_eq!(std::fs::read_to_string(tally.join(element.to_string()))?, "ran\n");
    }
    let index = caller.get("/runs/fifty/outputs/default/outputs/index?element=17")?;
    assert_eq!(index.body, "17\n");
    let log = cluster.tidegate(["run", "logs", "fifty", "--element", "49"])?.succeeded()?;
    assert_eq!(log.stdout, "element 49 of 50\n");
    let beyond = cluster.tidegate(["run", "logs", "fifty", "--element", "50"])?.ended_with(3)?;
    assert!(beyond.stderr.contains("50"), "{beyond}");
    Ok(())
}

#[test]
fn elements_that_failed_are_tried_again_and_the_others_are_left() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let folder = cluster.home().path().display();
    let command = format!(
        "echo ran >> {folder}/ran.$TIDEGATE_ARRAY_INDEX\n\
         [ $((TIDEGATE_ARRAY_INDEX % 3)) != 1 ] || [ -e {folder}/mended ]"
    );
    let file = cluster.job(&job(&command, "resources: {cpus: 1}\n"))?;
    let ended =
        cluster.tidegate(["submit", &file, "--count", "9", "--name", "some", "--wait"])?.ended_with(1)?;
    assert!(ended.stderr.contains("6 completed") && ended.stderr.contains("3 failed"), "{ended}");
    cluster.home().write("mended", "")?;
    let again = cluster.json(["run", "retry", "some"])?;
    assert_eq!(again["elements"], 3);
    cluster.tidegate(["run", "wait", "some"])?.succeeded()?;
    for element in 0..9 {
        let ran = std::fs::read_to_string(cluster.home().path().join(format!("ran.{element}")))?;
        assert_eq!(ran.lines().count(), if element % 3 == 1 { 2 } else { 1 }, "element {element}");
    }
    let nothing = cluster.tidegate(["run", "retry", "some"])?.ended_with(3)?;
    assert!(nothing.stderr.contains("some"), "{nothing}");
    Ok(())
}

#[test]
fn one_element_is_cancelled_and_the_others_go_on() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let gate = cluster.home().path().join("gate");
    let command = format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display());
    let file = cluster.job(&job(&command, "resources: {cpus: 1}\n"))?;
    cluster.tidegate(["submit", &file, "--count", "6", "--name", "six"])?.succeeded()?;
    cluster.wait_for_state("six", "Running")?;
    // Four fit on the two nodes of the pool; the last one waits.
    for element in ["0", "5"] {
        cluster.tidegate(["run", "cancel", "six", "--element", element])?.succeeded()?;
    }
    std::fs::write(gate, "")?;
    let ended = cluster.tidegate(["run", "wait", "six"])?;
    assert!(ended.stderr.contains("4 completed") && ended.stderr.contains("2 cancelled"), "{ended}");
    assert!(ended.code == Some(5) || ended.code == Some(1), "{ended}");
    Ok(())
}
