//! Why a command does not succeed, and the exit code that says so.

use miette::{GraphicalReportHandler, GraphicalTheme};
use std::fmt;
use std::io::{IsTerminal, Write};
use tidegate_gateway::api::Problem;
use tidegate_spec::SpecError;

/// The exit code of a controller whose data folder must not be used again.
pub(crate) const DAMAGED: u8 = 1;

/// Why a command does not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The run failed, which was told already.
    RunFailed,
    /// The run was cancelled, which was told already.
    RunCanceled,
    /// What was asked for makes no sense.
    Usage(String),
    /// A file makes no sense.
    Spec(Vec<SpecError>),
    /// The server refuses.
    Refused(Box<Problem>),
    /// The server does not answer.
    Unreachable(String),
    /// Ctrl-C, which was told already.
    Interrupted,
    /// A play of the simulator, or a sweep, was not as it should be, which was told already; with its exit code.
    Simulated(u8),
    /// Something on this machine.
    Local(anyhow::Error),
    /// A controller's data folder has lost what it had promised, and must not be used again.
    Damaged(String),
    /// The reader of our output has gone; nobody is left to tell.
    OutputClosed,
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::RunFailed => 1,
            Failure::Damaged(_) => DAMAGED,
            Failure::Simulated(code) => *code,
            // 1 tells of the run alone: a script must not take a full disk here for a run that failed.
            Failure::Usage(_) | Failure::Spec(_) | Failure::Local(_) => 2,
            Failure::Refused(_) => 3,
            Failure::Unreachable(_) => 4,
            Failure::RunCanceled => 5,
            // As shells have it: 128 and the number of SIGINT, of SIGPIPE.
            Failure::Interrupted => 130,
            Failure::OutputClosed => 141,
        }
    }

    /// Tells it on standard error, if there is anything left to tell.
    pub(crate) fn print(&self) {
        let text = self.to_string();
        if !text.is_empty() {
            // Without a standard error there is nobody to tell.
            drop(writeln!(std::io::stderr(), "{text}"));
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::RunFailed
            | Failure::RunCanceled
            | Failure::Interrupted
            | Failure::OutputClosed
            | Failure::Simulated(_) => Ok(()),
            Failure::Usage(text) | Failure::Unreachable(text) | Failure::Damaged(text) => {
                write!(f, "error: {text}")
            }
            Failure::Refused(problem) => write!(f, "error: {problem}"),
            Failure::Local(error) => write!(f, "error: {error:#}"),
            Failure::Spec(errors) => {
                for (at, error) in errors.iter().enumerate() {
                    let end = if at > 0 { "\n" } else { "" };
                    write!(f, "{end}error: {error}{}", snippet(error))?;
                }
                Ok(())
            }
        }
    }
}

/// The lines of the file that are wrong, when they are known.
fn snippet(error: &SpecError) -> String {
    use miette::Diagnostic;
    if error.labels().is_none() {
        return error.help().map(|help| format!("\n  {help}")).unwrap_or_default();
    }
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    match GraphicalReportHandler::new_themed(theme).with_width(100).render_report(&mut text, error) {
        // The first lines repeat what was said already.
        Ok(()) => match text.find('╭') {
            Some(at) => format!("\n   {}", text[at..].trim_end()),
            None => String::new(),
        },
        Err(fmt::Error) => String::new(),
    }
}

impl From<SpecError> for Failure {
    fn from(error: SpecError) -> Failure {
        Failure::Spec(vec![error])
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Local(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Refused(Box::new(problem))
    }
}
