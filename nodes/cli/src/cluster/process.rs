//! The process of one controller: started, watched, told to stop.

use super::house::House;
use super::roster::Seat;
use crate::context::write_private;
use crate::output::note;
use anyhow::{Context as _, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a controller may take to stop before it is killed; its nodes live on either way.
const STOP: Duration = Duration::from_secs(20);
/// A log that is longer is put aside when its controller starts again.
const LOG_MAX_BYTES: u64 = 16 << 20;
/// How much of a log's end is searched for its last line.
const TAIL_BYTES: u64 = 4096;
/// An error has no more lines.
const LAST_LINES: usize = 3;

/// Starts the controller of a seat. It stops by itself once this process is gone: the other end of its standard input
/// is here.
pub(super) fn start(house: &House, seat: &Seat) -> anyhow::Result<Child> {
    let data = seat.data(house.path());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    let file = data.join("controller.toml");
    write_private(&file, house.file(seat).to_toml()?.as_bytes())?;
    let log = open_log(&seat.log(house.path()))?;
    let program = std::env::current_exe().context("cannot find this program, which controllers are too")?;
    let mut command = Command::new(program);
    command
        .args(["controller", "run", "--supervised", "--config"])
        .arg(&file)
        // What a terminal sends to us is not for the controllers: we tell them, in order.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log);
    for variable in ["TIDEGATE_SERVER", "TIDEGATE_TOKEN", "TIDEGATE_DATA"] {
        command.env_remove(variable);
    }
    command.spawn().with_context(|| format!("cannot start controller c{}", seat.number))
}

/// Waits for a controller's end. Its standard input is held open meanwhile, which `Child::wait` alone would close.
pub(super) async fn ended(child: &mut Child) -> anyhow::Result<ExitStatus> {
    let held = child.stdin.take();
    let status = child.wait().await.context("cannot wait for a controller");
    drop(held);
    status
}

/// Tells a controller to stop, and waits until it has.
pub(super) async fn stop(mut child: Child, number: u32) -> anyhow::Result<()> {
    // Without an id it has ended already.
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        kill_process(pid, Signal::TERM)
            .map_err(|error| anyhow!("cannot stop controller c{number}: {error}"))?;
    }
    if timeout(STOP, child.wait()).await.is_err() {
        note(format_args!("c{number} does not stop, and is killed; its nodes live on"));
        child.kill().await.with_context(|| format!("cannot kill controller c{number}"))?;
    }
    Ok(())
}

fn open_log(path: &Path) -> anyhow::Result<File> {
    let open = || {
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_MAX_BYTES) {
            fs::rename(path, path.with_extension("log.1"))?;
        }
        OpenOptions::new().append(true).create(true).mode(0o600).open(path)
    };
    open().with_context(|| format!("cannot open {}", path.display()))
}

/// The last line of a log, for people; the one that begins an error, where that has several.
pub(super) fn last_words(path: &Path) -> String {
    let read = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = match read() {
        Ok(text) => text,
        Err(error) => return format!("its log cannot be read: {error}"),
    };
    let last: Vec<&str> =
        text.lines().rev().map(str::trim).filter(|line| !line.is_empty()).take(LAST_LINES).collect();
    let error = last.iter().find(|line| line.starts_with("error: "));
    error.or(last.first()).map_or("it said nothing", |line| line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_last_line_that_says_anything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c1.log");
        assert!(last_words(&path).contains("cannot be read"));
        drop(open_log(&path).unwrap());
        assert_eq!(last_words(&path), "it said nothing");
        fs::write(&path, format!("{}\nerror: the port is in use\n\n", "x".repeat(10_000))).unwrap();
        assert_eq!(last_words(&path), "error: the port is in use");
        fs::write(&path, "error: it is damaged\nwhat to do\n").unwrap();
        assert_eq!(last_words(&path), "error: it is damaged");
        File::options().write(true).open(&path).unwrap().set_len(LOG_MAX_BYTES + 1).unwrap();
        assert_eq!(open_log(&path).unwrap().metadata().unwrap().len(), 0);
        assert!(folder.path().join("c1.log.1").exists());
    }
}
