//! What a command line came to.

use std::{ffi::OsString, process::Output};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// A `tidegate` command that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    pub(crate) arguments: Vec<OsString>,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed for programs.
    pub stdout: String,
    /// What it printed for people.
    pub stderr: String,
}

impl Finished {
    pub(crate) fn of(arguments: Vec<OsString>, output: Output) -> Finished {
        Finished {
            arguments,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Demands exit code 0.
    ///
    /// # Errors
    /// It ended otherwise; the error shows all that it printed.
    pub fn succeeded(self) -> Result<Finished> {
        self.ended_with(0)
    }

    /// Demands an exit code: 0 done, 1 the run failed, 2 usage, 3 refused, 4 not reached, 5 cancelled.
    ///
    /// # Errors
    /// It ended otherwise; the error shows all that it printed.
    pub fn ended_with(self, code: i32) -> Result<Finished> {
        if self.code == Some(code) {
            return Ok(self);
        }
        bail!("expected exit code {code} of {self}");
    }

    /// What it printed, as JSON.
    ///
    /// # Errors
    /// It is not, or not of that form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no such JSON from {self}"))
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tidegate")?;
        for argument in &self.arguments {
            write!(f, " {}", argument.to_string_lossy())?;
        }
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        write!(f, "\n--- {code}\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}
