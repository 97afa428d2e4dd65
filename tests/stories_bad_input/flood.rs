//! A command that prints a gigabyte.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use tidegate_tests::Cluster;

use crate::{POOL, says};

const MIB: u64 = 1 << 20;
/// What is kept of each log.
const LIMIT: u64 = 64 * MIB;
/// What the log on its way, its stored copy and the space reserved for the durable log may take together, with room for
/// what is printed between two looks at its size.
const DISK: u64 = 512 * MIB;
const MEMORY: u64 = 256 * MIB;

const PRINTS_A_GIGABYTE: &str = "\
command: |
  echo the first line
  yes 'a line of a flood that is one hundred bytes long, of which nobody will ever read more than a few, so' | head -c 1000000000
  echo; echo the last line
environment: azureml:any
compute: small
";

#[test]
fn a_gigabyte_of_prints_takes_bounded_disk_and_memory_and_keeps_its_head_and_end() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("server.toml");
    fs::write(&config, format!("logs.limit_mib = {}\n", LIMIT / MIB))?;
    let cluster = Cluster::options().argument("--config").argument(&config).up()?;
    cluster.apply(POOL)?;
    let file = cluster.job(PRINTS_A_GIGABYTE)?;
    let (peak, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let memory = thread::scope(|scope| -> Result<Vec<(String, u64)>> {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                peak.fetch_max(disk_of(cluster.data()), Ordering::AcqRel);
                thread::sleep(Duration::from_millis(20));
            }
        });
        let ended = cluster
            .tidegate(["submit", &file, "--name", "flood", "--wait"])
            .and_then(|ended| ended.succeeded());
        over.store(true, Ordering::Release);
        ended?;
        let mut pids = vec![("controller".to_owned(), cluster.server_pid().context("it runs")?)];
        pids.extend(cluster.agents()?.iter().map(|agent| ("agent".to_owned(), agent.pid)));
        pids.extend(cluster.keepers()?.iter().map(|keeper| ("keeper".to_owned(), keeper.pid)));
        pids.into_iter().map(|(role, pid)| Ok((role, most_memory(pid)?))).collect()
    })?;

    let peak = peak.into_inner();
    println!("most disk {} MiB, most memory {memory:?}", peak / MIB);
    assert!(peak > LIMIT && peak < DISK, "{} MiB of disk", peak / MIB);
    assert_eq!(memory.len(), 3, "{memory:?}");
    assert!(memory.iter().all(|(_, most)| *most < MEMORY), "{memory:?}");

    let notes = cluster.run("flood")?["notes"].to_string();
    says(&notes, &["standard output grew to 953 MiB", "first and last parts", "64 MiB"]);
    let log = cluster.command().args(["run", "logs", "flood"]).output()?;
    assert!(log.status.success());
    let length = log.stdout.len() as u64;
    assert!(length > LIMIT / 2 && length < LIMIT + MIB, "{length} bytes are kept");
    let text = String::from_utf8(log.stdout)?;
    assert!(text.starts_with("the first line\na line of a flood"));
    assert!(text.ends_with("\nthe last line\n"));
    assert!(text.contains("bytes are left out here, since the log grew past its limit"));
    Ok(())
}

/// What a folder takes on the disk: holes take nothing.
fn disk_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let of = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_of(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

/// The most memory that a process ever had, in bytes.
fn most_memory(pid: i32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib << 10)
}
