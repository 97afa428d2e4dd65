//! A server started by `tidegate up` on a temporary folder, and commands against it.

use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_tidegate");
/// No step of a test takes longer, however slow the machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A temporary home, in which everything of a test is.
pub(crate) struct Home(TempDir);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The output of a command that must have gone well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        // A command that a signal ended has no code.
        Done { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Home {
    pub(crate) fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A job file with this command and these further lines.
    pub(crate) fn job(&self, name: &str, command: &str, more: &str) -> PathBuf {
        self.write(name, &format!("environment: azureml:none@latest\ncommand: {command}\n{more}\n"))
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.args(line.split_whitespace()).current_dir(self.path());
        for (variable, folder) in
            [("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "share"), ("HOME", "home")]
        {
            command.env(variable, self.path().join(folder));
        }
        for variable in
            ["TIDEGATE_SERVER", "TIDEGATE_TOKEN", "TIDEGATE_WORKSPACE", "TIDEGATE_DATA", "RUST_LOG"]
        {
            command.env_remove(variable);
        }
        command
    }

    pub(crate) fn run(&self, line: &str) -> Done {
        self.command(line).output().unwrap().into()
    }

    /// Runs a command again and again until what it prints is as wanted.
    pub(crate) fn until(&self, line: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let done = self.run(line);
            let value = if done.code == 0 { done.json() } else { Value::Null };
            if wanted(&value) {
                return value;
            }
            assert!(since.elapsed() < DEADLINE, "{line} never came to what was wanted: {done:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts a server; returns once it is up.
    pub(crate) fn up(&self, more: &str) -> Up<'_> {
        let log = self.path().join("up.log");
        // Should a test fail, its workers leave soon.
        self.write("server.toml", "workers.leave_after = 20\n");
        let config = if more.contains("--config") { "" } else { "--config server.toml" };
        let http = if more.contains("--http") { "" } else { "--http 127.0.0.1:0" };
        let mut child = self
            .command(&format!("up -o json {http} {config} {more}"))
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no server came up: {line:?} {}", fs::read_to_string(&log).unwrap()));
        let text = |key: &str| told[key].as_str().unwrap().to_owned();
        Up { home: self, child: Some(child), server: text("server"), data: text("data").into() }
    }
}

/// Waits for the end of a process, and gives its exit code; one that does not end is killed, and the test fails.
pub(crate) fn end_of(mut child: Child, what: impl Fn() -> String) -> i32 {
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if since.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("{}", what());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A server; dropped, it is told to stop at once.
pub(crate) struct Up<'a> {
    home: &'a Home,
    child: Option<Child>,
    pub(crate) server: String,
    pub(crate) data: PathBuf,
}

impl Up<'_> {
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> i32 {
        let child = self.child.take().unwrap();
        end_of(child, || format!("the server does not stop: {}", self.log()))
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("up.log")).unwrap()
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal("TERM");
            self.signal("TERM");
            // A test that has failed already must not abort by failing again.
            if !std::thread::panicking() {
                self.ended();
            }
        }
    }
}
