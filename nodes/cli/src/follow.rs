//! Following a run to its end.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::note;
use std::time::{Duration, Instant};
use tidegate_gateway::api::{RunState, RunStatus};

/// How long one question waits at the server.
const ASK: Duration = Duration::from_secs(60);
/// The same where another server could answer: one that hangs is to be found out soon.
const ASK_ONE_OF_SEVERAL: Duration = Duration::from_secs(15);
/// How long a server that does not answer is asked again: it may be restarting.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two such questions.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);

/// Waits until the run has ended. A server that is restarted meanwhile is waited for.
pub(crate) fn wait(client: &Client, name: &str, quiet: bool) -> Result<RunStatus, Failure> {
    let path = format!("/runs/{}/wait", segment(name));
    let ask = if client.has_several() { ASK_ONE_OF_SEVERAL } else { ASK };
    let query = [("until", "ended".to_owned()), ("timeout_s", ask.as_secs().to_string())];
    let mut silent_since: Option<Instant> = None;
    loop {
        match client.get_after::<RunStatus>(&path, &query, ask) {
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
pub(crate) fn is_passing(failure: &Failure) -> bool {
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
