//! What real controllers were told through a real fail-over is told to the same core again, which must do the same.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use tidegate_tests::Replicas;

use crate::{cluster_of, demand_all};

/// What a replay compared.
#[derive(Debug, Clone, Copy, Default)]
struct Compared {
    steps: u64,
    effects: u64,
    states: u64,
    cut_short: bool,
}

#[test]
fn a_real_fail_over_is_replayed_step_by_step_with_equal_effects_and_states() -> Result<()> {
    let mut replicas = Replicas::found(3)?;
    replicas.record_all();
    let (mut replicas, model) = cluster_of(replicas)?;
    let before = replicas.wait_for_all()?;
    let mut next = before.at;
    model.submit_during(2, || {
        model.wait_for_more(40)?;
        replicas.kill(before.at)?;
        next = replicas.wait_for_lead_after(before.term)?.at;
        model.wait_for_more(40)?;
        replicas.start(before.at)?;
        replicas.wait_for_all()?;
        let back = replicas.id(before.at).to_string();
        replicas.tidegate(next, &["controller", "lead", &back])?.succeeded()?;
        model.wait_for_more(20)
    })?;
    demand_all(&replicas, &model)?;
    for at in replicas.running() {
        replicas.stop(at)?;
    }

    let (mut all, mut records) = (Compared::default(), 0);
    for at in 0..replicas.count() {
        for (start, record) in replicas.records(at).iter().enumerate() {
            let compared = replay(&replicas, record)?;
            println!("controller {at}, start {}: {compared:?}", start + 1);
            let was_killed = at == before.at && start == 0;
            assert!(!compared.cut_short || was_killed, "{} was written to its end", record.display());
            assert!(was_killed || compared.states > 0, "the last state at least is compared");
            all.steps += compared.steps;
            all.effects += compared.effects;
            all.states += compared.states;
            records += 1;
        }
    }
    assert_eq!(records, 4, "one was started twice");
    println!(
        "{} steps, {} effects and {} states of {records} records were equal",
        all.steps, all.effects, all.states
    );
    assert!(all.steps > 1000 && all.effects > 1000, "{all:?}");
    // And a record that tells of something else is found out.
    let record = &replicas.records(next)[0];
    flip_a_byte(record)?;
    let refused = replicas.tidegate(0, &["sim", "replay", "--record", path(record)?])?;
    assert_ne!(refused.code, Some(0), "{refused}");
    replicas.finish()
}

fn replay(replicas: &Replicas, record: &Path) -> Result<Compared> {
    let replayed = replicas.tidegate(0, &["sim", "replay", "--record", path(record)?, "-o", "json"])?;
    let told: Value = replayed.succeeded()?.json()?;
    let number = |key: &str| told[key].as_u64().with_context(|| format!("no {key} in {told}"));
    Ok(Compared {
        steps: number("steps")?,
        effects: number("effects")?,
        states: number("states")?,
        cut_short: told["cut_short"].as_bool().context("it says whether it is whole")?,
    })
}

fn path(of: &Path) -> Result<&str> {
    of.to_str().context("the temporary folder has a name in UTF-8")
}

/// Changes one bit in the middle.
fn flip_a_byte(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(std::fs::write(path, bytes)?)
}
