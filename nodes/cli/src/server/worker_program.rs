//! The command line that local nodes are.

use super::config::Workers;
use anyhow::Context as _;
use std::ffi::OsString;
use std::path::PathBuf;

/// This program as a worker, behind the words that the configuration puts before it.
pub(super) fn worker_program(workers: &Workers) -> anyhow::Result<(PathBuf, Vec<OsString>)> {
    let program = std::env::current_exe().context("cannot find this program, which workers are too")?;
    let worker = ["worker", "run", "--config"].map(OsString::from);
    let Some((launcher, words)) = workers.launcher.split_first() else {
        return Ok((program, worker.to_vec()));
    };
    let words = words.iter().map(OsString::from).chain([program.into_os_string()]).chain(worker);
    Ok((launcher.into(), words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_comes_before_the_worker() {
        let program = std::env::current_exe().unwrap();
        let plain = worker_program(&Workers::default()).unwrap();
        assert_eq!(plain, (program.clone(), ["worker", "run", "--config"].map(OsString::from).to_vec()));
        let launcher = ["ip", "netns", "exec", "w{node}"].map(str::to_owned).to_vec();
        let (first, words) = worker_program(&Workers { launcher, ..Workers::default() }).unwrap();
        assert_eq!((first, words.len()), (PathBuf::from("ip"), 7));
        assert_eq!(words[3], program);
    }
}
