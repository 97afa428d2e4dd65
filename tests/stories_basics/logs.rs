//! What a run prints is told whole, live and later.

use anyhow::{Context, Result};
use tidegate_tests::Cluster;

use crate::{POOL, job};

/// Prints lines to both of its outputs, in bursts, the last one without an end of line.
const TALKER: &str = "\
for burst in 1 2 3 4 5; do
  seq -f \"out $burst.%g abcdefghijklmnopqrstuvwxyz\" 1 2000
  seq -f \"err $burst.%g\" 1 500 >&2
  sleep 0.1
done
printf 'no end of line'";

fn expected(word: &str, count: u32, rest: &str) -> String {
    let line = |burst, line| format!("{word} {burst}.{line}{rest}\n");
    (1..=5).flat_map(|burst| (1..=count).map(move |number| line(burst, number))).collect()
}

#[test]
fn what_is_streamed_is_what_is_kept() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let file = cluster.job(&job(TALKER, ""))?;
    let out = expected("out", 2000, " abcdefghijklmnopqrstuvwxyz") + "no end of line";
    let err = expected("err", 500, "");

    let live = cluster.tidegate(["submit", &file, "--stream", "--name", "talker"])?.succeeded()?;
    assert!(live.stdout == out, "{} bytes of {}", live.stdout.len(), out.len());
    let without_words: String =
        live.stderr.lines().filter(|line| line.starts_with("err ")).map(|line| format!("{line}\n")).collect();
    assert!(without_words == err, "{} bytes of {}", without_words.len(), err.len());

    let later = cluster.tidegate(["run", "logs", "talker"])?.succeeded()?;
    assert!(later.stdout == out && later.stderr == err, "{} {}", later.stdout.len(), later.stderr.len());
    let followed = cluster.tidegate(["run", "logs", "-f", "talker"])?.succeeded()?;
    assert!(followed.stdout == out && followed.stderr == err);
    let only = cluster.tidegate(["run", "logs", "talker", "--only", "stderr"])?.succeeded()?;
    assert!(only.stdout.is_empty() && only.stderr == err);
    Ok(())
}

#[test]
fn bytes_that_are_no_text_come_as_they_are() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply(POOL)?;
    let every = r#"python3 -c "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)""#;
    let file = cluster.job(&job(every, ""))?;
    let bytes: Vec<u8> = (0..=255).cycle().take(256_000).collect();
    let live = cluster.command().args(["submit", &file, "--stream", "--name", "raw"]).output()?;
    assert!(live.status.success() && live.stdout == bytes);
    let later = cluster.command().args(["run", "logs", "raw"]).output()?;
    assert!(later.status.success() && later.stdout == bytes);
    Ok(())
}

#[test]
fn a_log_is_followed_from_the_queue_to_the_end() -> Result<()> {
    let cluster = Cluster::up()?;
    cluster.apply("{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 1}")?;
    let gate = cluster.home().path().join("gate");
    let hold = format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display());
    let first = cluster.job(&job(&hold, ""))?;
    let second = cluster.job(&job("echo second", ""))?;
    cluster.tidegate(["submit", &first, "--name", "first"])?.succeeded()?;
    cluster.wait_for_state("first", "Running")?;
    cluster.tidegate(["submit", &second, "--name", "second"])?.succeeded()?;
    let follower = cluster
        .command()
        .args(["run", "logs", "-f", "second"])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    assert_eq!(cluster.state("second")?, "Queued");
    let empty = cluster.tidegate(["run", "logs", "second"])?.succeeded()?;
    assert_eq!(empty.stdout, "", "it has not printed yet");
    std::fs::write(gate, "").context("cannot open the gate")?;
    let followed = follower.wait_with_output()?;
    assert!(followed.status.success());
    assert_eq!(String::from_utf8_lossy(&followed.stdout), "second\n");
    Ok(())
}
