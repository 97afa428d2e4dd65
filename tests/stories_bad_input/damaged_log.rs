//! The durable log after a crash: a torn end is recovered and told, damage to what was acknowledged is refused.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tidegate_tests::Cluster;

use crate::says;

/// A killed server that has acknowledged so many runs, none of which may start.
fn killed_with_runs(count: usize) -> Result<Cluster> {
    let mut cluster = Cluster::up()?;
    cluster.apply("{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 1}")?;
    let family = cluster.json(["pool", "show", "small"])?["family"].as_str().context("a family")?.to_owned();
    cluster.tidegate(["quota", "set", &family, "0"])?.succeeded()?;
    let file = cluster.job("command: echo\nenvironment: azureml:any\ncompute: small\n")?;
    for at in 0..count {
        cluster.tidegate(["submit", &file, "--name", &format!("run-{at}")])?.succeeded()?;
    }
    cluster.kill_controller()?;
    Ok(cluster)
}

/// The newest file of the log, its bytes, and where what was written ends.
fn newest_file(cluster: &Cluster) -> Result<(PathBuf, Vec<u8>, usize)> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(cluster.data().join("log"))? {
        let path = entry?.path();
        files.extend(path.extension().is_some_and(|ending| ending == "raftlog").then_some(path));
    }
    let newest = files.into_iter().max().context("the log has a file")?;
    let bytes = fs::read(&newest)?;
    let end = bytes.iter().rposition(|byte| *byte != 0).context("something was written")? + 1;
    Ok((newest, bytes, end))
}

/// Every file below a folder, less those that only say who has it open.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()? {
            kind if kind.is_dir() => all.extend(contents(&entry.path())?),
            kind if kind.is_file() && entry.file_name() != "lock" => {
                all.insert(entry.path(), fs::read(entry.path())?);
            }
            _ => {}
        }
    }
    Ok(all)
}

#[test]
fn a_torn_end_is_cut_off_and_told_and_the_rest_is_there() -> Result<()> {
    for garbled in [false, true] {
        let mut cluster = killed_with_runs(5)?;
        let (file, mut bytes, end) = newest_file(&cluster)?;
        match garbled {
            true => {
                bytes[end - 6..end].fill(0xA5);
                fs::write(&file, bytes)?;
            }
            false => fs::write(&file, &bytes[..end - 3])?,
        }
        cluster.restart()?;
        says(
            &cluster.log(),
            &["last write was cut short by a crash", "are dropped", &file.display().to_string()],
        );
        for at in 0..4 {
            assert_eq!(cluster.state(&format!("run-{at}"))?, "Queued", "garbled: {garbled}");
        }
        let again = cluster.job("command: echo\nenvironment: azureml:any\ncompute: small\n")?;
        cluster.tidegate(["submit", &again, "--name", "later"])?.succeeded()?;
        let told = cluster.log().matches("cut short").count();
        cluster.kill_controller()?;
        cluster.restart()?;
        assert_eq!(cluster.state("later")?, "Queued");
        assert_eq!(cluster.log().matches("cut short").count(), told, "it is told once");
    }
    Ok(())
}

#[test]
fn damage_to_what_was_acknowledged_is_refused_and_nothing_is_touched() -> Result<()> {
    let mut cluster = killed_with_runs(8)?;
    let (file, whole, end) = newest_file(&cluster)?;
    for place in [end / 3, end / 2] {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        fs::write(&file, &bytes)?;
        let before = contents(cluster.data())?;
        cluster.launch()?;
        let status = cluster.wait_for_end()?;
        assert_eq!(status.code(), Some(2), "{}", cluster.log());
        let words =
            ["the log is damaged", &file.display().to_string(), "a valid one follows", "nothing was deleted"];
        says(&cluster.log(), &words);
        says(&cluster.log(), &["Restore the data folder from a backup"]);
        let after = contents(cluster.data())?;
        let changed: Vec<_> = before
            .iter()
            .filter(|(path, bytes)| after.get(*path) != Some(bytes))
            .map(|(path, _)| path)
            .collect();
        assert!(changed.is_empty() && after.len() == before.len(), "changed: {changed:?}");
    }
    // Put right, it is as if nothing had been.
    fs::write(&file, whole)?;
    cluster.restart()?;
    for at in 0..8 {
        assert_eq!(cluster.state(&format!("run-{at}"))?, "Queued");
    }
    Ok(())
}
