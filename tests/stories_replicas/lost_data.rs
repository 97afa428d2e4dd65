//! A controller whose data is lost or damaged joins as a new one, and never comes back as the one that it was.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tidegate_tests::{Replicas, faults::ClientModel};

use crate::{cluster, demand_all};

/// What is written before the byte that is flipped, of a thousand parts.
const FLIPPED_AT: usize = 400;

/// Lets a new controller in for one that is down, and waits until it votes in the other's place.
fn replace(replicas: &mut Replicas, model: &ClientModel, lost: usize, voters: &mut [usize; 3]) -> Result<()> {
    let by = *voters.iter().find(|at| **at != lost).context("there are others")?;
    let new = replicas.add(by, Some(lost))?;
    replicas.forget(lost);
    replicas.start(new)?;
    replicas.wait_until_ready(new)?;
    for voter in voters.iter_mut().filter(|voter| **voter == lost) {
        *voter = new;
    }
    replicas.wait_for_voters(voters)?;
    replicas.wait_for_all()?;
    model.wait_for_more(10)
}

/// Starts one that must refuse, with this exit code and these words.
fn refuses(replicas: &mut Replicas, at: usize, code: i32, words: &[&str]) -> Result<()> {
    let before = replicas.log(at).len();
    replicas.start(at)?;
    let status = replicas.wait_for_end(at)?;
    let said = replicas.log(at)[before..].to_owned();
    assert_eq!(status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    Ok(())
}

#[test]
fn a_controller_that_lost_its_folder_or_has_a_damaged_one_joins_as_a_new_one() -> Result<()> {
    let (mut replicas, model) = cluster(3)?;
    let mut voters = [0, 1, 2];
    model.submit_during(2, || {
        model.wait_for_more(50)?;
        // The folder of a follower is lost, but for a copy that somebody has kept.
        let leader = replicas.wait_for_all()?;
        let lost = (leader.at + 1) % 3;
        replicas.kill(lost)?;
        let copy = replicas.home().path().join("copy");
        copy_folder(replicas.data(lost), &copy)?;
        fs::remove_dir_all(replicas.data(lost))?;
        refuses(&mut replicas, lost, 2, &["is no controller's data folder", "controller add --replaces"])?;
        replace(&mut replicas, &model, lost, &mut voters)?;
        fs::rename(&copy, replicas.data(lost))?;
        refuses(&mut replicas, lost, 0, &["was removed from cluster"])?;

        // A byte of the leader's log, long acknowledged, is another one.
        let leader = replicas.wait_for_all()?;
        replicas.kill(leader.at)?;
        let (file, bytes) = flip_a_byte(replicas.data(leader.at))?;
        let place = file.display().to_string();
        let words = ["must not be started on this folder again", "controller add --replaces", place.as_str()];
        refuses(&mut replicas, leader.at, 1, &words)?;
        refuses(&mut replicas, leader.at, 1, &words)?;
        replace(&mut replicas, &model, leader.at, &mut voters)?;
        // Somebody repairs the file, and it is too late.
        fs::write(&file, bytes)?;
        refuses(&mut replicas, leader.at, 0, &["was removed from cluster"])
    })?;
    demand_all(&replicas, &model)?;
    // The new ones carry the cluster: with one of the three away they are the majority.
    let last = voters.iter().copied().min().context("there are three")?;
    replicas.kill(last)?;
    let callers = replicas.running().into_iter().map(|at| replicas.caller(at));
    let later = ClientModel::new(callers.collect(), model.tally().clone(), "later");
    later.submit(10, 2)?;
    demand_all(&replicas, &later)?;
    replicas.finish()
}

/// Flips a bit in the middle of what was written to the newest file of the log; gives the file, and what was in it.
fn flip_a_byte(data: &Path) -> Result<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(data.join("log"))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let logs = paths.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "raftlog"));
    let newest = logs.max().context("the log has a file")?;
    let bytes = fs::read(&newest)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).context("something was written")?;
    let mut flipped = bytes.clone();
    flipped[end * FLIPPED_AT / 1000] ^= 0x10;
    fs::write(&newest, flipped)?;
    Ok((newest, bytes))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("cp").arg("--archive").arg(from).arg(to).status()?;
    ensure!(status.success(), "cannot copy {}", from.display());
    Ok(())
}
