//! A run's name is its identity: sent twice it is one run.

use std::{collections::BTreeSet, thread};

use anyhow::{Context, Result};
use tidegate_tests::{Cluster, Finished};

use crate::{POOL, job};

#[test]
fn the_same_name_is_the_same_run_and_another_body_is_a_conflict() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let ran = cluster.home().path().join("ran");
    let one = cluster.job(&job(&format!("echo ran >> {}", ran.display()), ""))?;
    let other = cluster.job(&job("echo other", ""))?;
    cluster.tidegate(["submit", &one, "--name", "mine", "--wait"])?.succeeded()?;
    let again = cluster.tidegate(["submit", &one, "--name", "mine", "--wait"])?.succeeded()?;
    assert!(again.stderr.contains("accepted before"), "{again}");
    let json = cluster.json(["submit", &one, "--name", "mine"])?;
    assert_eq!((&json["name"], &json["known"]), (&"mine".into(), &true.into()));
    assert_eq!(std::fs::read_to_string(&ran)?, "ran\n", "it ran once");
    let conflict = cluster.tidegate(["submit", &other, "--name", "mine"])?.ended_with(3)?;
    assert!(conflict.stderr.contains("mine"), "{conflict}");
    let array = cluster.tidegate(["submit", &one, "--name", "mine", "--count", "2"])?.ended_with(3)?;
    assert!(array.stderr.contains("mine"), "{array}");
    for bad in ["", "a/b", "..", "-x y", &"x".repeat(300)] {
        let name = format!("--name={bad}");
        let refused = cluster.tidegate(["submit", &one, &name])?;
        assert!(matches!(refused.code, Some(2 | 3)), "{refused}");
    }
    Ok(())
}

#[test]
fn several_command_lines_at_once_do_not_disturb_each_other() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let ran = cluster.home().path().join("ran");
    let file = cluster.job(&job(
        &format!("echo $TIDEGATE_RUN >> {}; echo I am $TIDEGATE_RUN", ran.display()),
        "resources: {cpus: 1}\n",
    ))?;
    let submit = |name: String| cluster.tidegate(["submit", &file, "--stream", "--name", &name]);
    // Each name by two of them: one run each.
    let ended: Vec<Finished> = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..8).map(|at| scope.spawn(move || submit(format!("run-{}", at / 2)))).collect();
        clients.into_iter().map(|client| client.join().expect("it does not panic")).collect::<Result<_>>()
    })?;
    for (at, ended) in ended.into_iter().enumerate() {
        let ended = ended.succeeded()?;
        assert_eq!(ended.stdout, format!("I am run-{}\n", at / 2));
    }
    let text = std::fs::read_to_string(&ran).context("what ran")?;
    assert_eq!(text.lines().count(), 4, "{text}");
    assert_eq!(text.lines().collect::<BTreeSet<_>>().len(), 4, "{text}");
    Ok(())
}
