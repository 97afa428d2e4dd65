//! Following a run: its logs as it prints them, and its end.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{self, note};
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use tidegate_gateway::api::{RunDetails, RunState, RunStatus};

/// Seconds that one question waits at the server.
const ASK_SECONDS: u64 = 60;
/// How long a server that does not answer is asked again: it may be restarting.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two such questions.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a log that gives nothing any more is connected again.
const FRUITLESS: u32 = 10;
/// Bytes printed at a time.
const CHUNK: usize = 32 << 10;

/// Waits until the run has ended. A server that is restarted meanwhile is waited for.
pub(crate) fn wait(client: &Client, name: &str, quiet: bool) -> Result<RunStatus, Failure> {
    let path = format!("/runs/{}/wait", segment(name));
    let query = [("until", "ended".to_owned()), ("timeout_s", ASK_SECONDS.to_string())];
    let mut silent_since: Option<Instant> = None;
    loop {
        match client.get::<RunStatus>(&path, &query) {
            Ok(status) if status.state.is_over() => return Ok(status),
            Ok(_) => silent_since = None,
            Err(failure) if !is_passing(&failure) => return Err(failure),
            Err(failure) => {
                let since = *silent_since.get_or_insert_with(|| {
                    if !quiet {
                        note(format_args!("{failure}\nwaiting for the server to come back"));
                    }
                    Instant::now()
                });
                if since.elapsed() > PATIENCE {
                    return Err(failure);
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Whether the same question may be answered a moment later.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable(_) => true,
        Failure::Refused(problem) => problem.status == 503,
        _ => false,
    }
}

/// What a run's end means for the exit code; told in words on standard error.
pub(crate) fn conclude(status: &RunStatus) -> Result<(), Failure> {
    let how = match (&status.result, status.count) {
        (Some(result), 1) => format!("{} ({result})", status.state),
        (_, 1) => status.state.to_string(),
        _ => {
            let counts = &status.elements;
            let parts =
                [(counts.completed, "completed"), (counts.failed, "failed"), (counts.canceled, "cancelled")];
            let some: Vec<String> = parts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, how)| format!("{count} {how}"))
                .collect();
            format!("{}: {} of {} elements", status.state, some.join(", "), status.count)
        }
    };
    note(format_args!("run {} {how}", status.name));
    match status.state {
        RunState::Completed => Ok(()),
        RunState::Canceled => Err(Failure::RunCanceled),
        _ => Err(Failure::RunFailed),
    }
}

/// Which of a run's outputs to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Stdout,
    Stderr,
}

impl Which {
    fn word(self) -> &'static str {
        match self {
            Which::Stdout => "stdout",
            Which::Stderr => "stderr",
        }
    }
}

/// Prints one of a run's outputs to the same one of ours. Where the connection breaks off while it is followed, it goes
/// on where it was once the server is back.
pub(crate) fn print_log(
    client: &Client,
    name: &str,
    which: Which,
    element: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    let mut log = Log { client, name, which, element, follow, attempt: None, printed: 0, fruitless: 0 };
    loop {
        match log.print() {
            Err(failure) if follow && log.fruitless < FRUITLESS && is_passing(&failure) => {
                log.reconnect(failure)?
            }
            ended => return ended,
        }
    }
}

/// One of a run's outputs on its way to one of ours.
struct Log<'a> {
    client: &'a Client,
    name: &'a str,
    which: Which,
    element: Option<u32>,
    follow: bool,
    /// How many attempts there were when it was last connected.
    attempt: Option<usize>,
    /// Bytes printed.
    printed: u64,
    /// Connections since the last byte.
    fruitless: u32,
}

impl Log<'_> {
    fn print(&mut self) -> Result<(), Failure> {
        let mut query = vec![
            ("stream", self.which.word().to_owned()),
            ("follow", self.follow.to_string()),
            ("offset", self.printed.to_string()),
        ];
        query.extend(self.element.map(|element| ("element", element.to_string())));
        let mut log = self.client.get_stream(&format!("/runs/{}/logs", segment(self.name)), &query)?;
        let mut to: Box<dyn Write> = match self.which {
            Which::Stdout => Box::new(std::io::stdout()),
            Which::Stderr => Box::new(std::io::stderr()),
        };
        let mut piece = vec![0; CHUNK];
        loop {
            match log.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    output::bytes(&piece[..count], &mut to)?;
                    self.printed += count as u64;
                    self.fruitless = 0;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken_off(&error)),
            }
        }
    }

    fn broken_off(&self, error: &std::io::Error) -> Failure {
        let name = self.name;
        Failure::Unreachable(format!(
            "the log of {name} broke off: {error}; the run is not touched by this, read it again with \
             `tidegate run logs {name}`"
        ))
    }

    /// Waits for the server to come back. A run that was tried again meanwhile is shown from its new attempt on.
    fn reconnect(&mut self, failure: Failure) -> Result<(), Failure> {
        let path = format!("/runs/{}", segment(self.name));
        let query: Vec<_> =
            self.element.map(|element| ("element", element.to_string())).into_iter().collect();
        let since = Instant::now();
        self.fruitless += 1;
        loop {
            std::thread::sleep(PAUSE);
            match self.client.get::<RunDetails>(&path, &query) {
                Ok(details) => {
                    let attempts = details.attempts.len();
                    let same = attempts <= 1 || self.attempt == Some(attempts);
                    self.printed = if same { self.printed } else { 0 };
                    self.attempt = Some(attempts);
                    return Ok(());
                }
                Err(again) if is_passing(&again) && since.elapsed() < PATIENCE => {}
                Err(again) if is_passing(&again) => return Err(failure),
                Err(again) => return Err(again),
            }
        }
    }
}

/// Prints both outputs as they come.
pub(crate) fn print_both(
    client: &Client,
    name: &str,
    element: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    if !follow {
        print_log(client, name, Which::Stdout, element, false)?;
        return print_log(client, name, Which::Stderr, element, false);
    }
    std::thread::scope(|scope| {
        let stderr = scope.spawn(|| print_log(client, name, Which::Stderr, element, true));
        let stdout = print_log(client, name, Which::Stdout, element, true);
        let stderr = stderr.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        stdout.and(stderr)
    })
}
