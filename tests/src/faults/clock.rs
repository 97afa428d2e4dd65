//! Clocks that are wrong: they jump or run too fast in one process, while all others keep the right time.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::needs::skipped;
use crate::handle::Handle;

/// Where the library is, in the systems that have a package of it. This form is safe for programs with threads.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
const FOLDERS: [&str; 5] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];
/// What the library leaves in shared memory when its process is killed: a process id follows.
const REMAINS: [&str; 2] = ["faketime_shm_", "sem.faketime_sem_"];
const SHARED_MEMORY: &str = "/dev/shm";

/// Which clocks are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faked {
    /// The time of day (`SystemTime`) alone; `Instant` and all timers are right. This is what a machine does whose clock
    /// an administrator or NTP sets.
    Wall,
    /// All clocks, and the timers of `sleep`, `poll` and `epoll` by their rate. `Instant` jumps too, which no kernel
    /// allows: a program may suffer, but must stay safe. Rust's waits on a `Condvar` or channel with a limit reckon by the
    /// wrong clock and are ended by the right one: after a jump forward they hang for as long, so programs that need them
    /// are to be tried with [`with_uptime`].
    WallAndMonotonic,
}

/// A clock for one process, or several: those that are started with it see it jump while they run. Runs and workers that
/// these start see it, too.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    faked: Faked,
}

impl Clock {
    /// A clock that is right so far, driven by a file in this folder; `None`, and says so by name, where the package
    /// faketime is not installed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(story: &str, folder: &Path, faked: Faked) -> Result<Option<Clock>> {
        let Some(library) =
            FOLDERS.iter().map(|folder| Path::new(folder).join(LIBRARY)).find(|at| at.is_file())
        else {
            skipped(story, "needs the package faketime")?;
            return Ok(None);
        };
        // A process that gets the id of a killed one would find its remains and refuse to start.
        clear_remains()?;
        let file = tempfile::Builder::new().prefix("clock-").disable_cleanup(true).tempfile_in(folder)?;
        let clock = Clock { library, file: file.path().to_owned(), faked };
        clock.set(0.0)?;
        Ok(Some(clock))
    }

    /// Has a command see this clock when it is started.
    pub fn apply<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.variables())
    }

    /// The variables by which a process sees this clock, for what is not started by a command of one's own.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut all = vec![
            ("LD_PRELOAD", self.library.clone().into_os_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone().into_os_string()),
            ("FAKETIME_NO_CACHE", "1".into()),
        ];
        all.push(match self.faked {
            Faked::Wall => ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            Faked::WallAndMonotonic => ("FAKETIME_DONT_FAKE_MONOTONIC", "0".into()),
        });
        all
    }

    /// Lets the clock jump: from now on it is so many seconds ahead of the right time, or behind it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set(&self, seconds: f64) -> Result<()> {
        self.write(&format!("{seconds:+.6}"))
    }

    /// Lets the clock jump, and run so many times as fast as it should, reckoned from the start of each process.
    ///
    /// # Errors
    /// The clock is of [`Faked::Wall`]: timers would run fast and `Instant` would not. Or as [`Clock::set`].
    pub fn set_rate(&self, seconds: f64, rate: f64) -> Result<()> {
        ensure!(
            self.faked == Faked::WallAndMonotonic,
            "a clock runs at another rate only together with timers: make it of WallAndMonotonic"
        );
        ensure!(rate > 0.0, "a clock cannot run at the rate {rate}");
        self.write(&format!("{seconds:+.6} x{rate:.6}"))
    }

    /// It is read at every look at the clock: never half of it.
    fn write(&self, content: &str) -> Result<()> {
        let next = self.file.with_extension("next");
        let written = fs::write(&next, content).and_then(|()| fs::rename(&next, &self.file));
        written.with_context(|| format!("cannot write {}", self.file.display()))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Err(error) = clear_remains() {
            eprintln!("a clock leaves something behind: {error:#}");
        }
    }
}

/// Removes what the library has left of processes that live no more.
fn clear_remains() -> Result<()> {
    for entry in fs::read_dir(SHARED_MEMORY)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let pid = REMAINS.iter().find_map(|remains| name.strip_prefix(remains)?.parse::<i32>().ok());
        if pid.is_some_and(|pid| Handle::of(pid).is_none()) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("cannot remove {}", path.display()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// A command for a program that sees a machine which has been up for so many seconds longer, or shorter, than this one,
/// and arguments after it are the program's. Its `Instant`, uptime and timers agree, as these are the kernel's own: so
/// processes whose clocks share no origin can be tried on one machine. Needs root.
///
/// A process inherits it from who has started it.
pub fn with_uptime(seconds: i64, program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--time").args(["--monotonic", &seconds.to_string(), "--boottime", &seconds.to_string()]);
    command.arg("--").arg(program);
    command
}
