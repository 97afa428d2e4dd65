//! What was asked for, on standard output: for people or for programs.

use crate::failure::Failure;
use clap::ValueEnum;
use serde::Serialize;
use std::io::{self, ErrorKind, Write};

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// For programs; the shapes are those of the server's /openapi.json
    Json,
    /// The same as YAML
    Yaml,
}

impl Format {
    /// Prints a value as a program wants it, or, for people, what `table` makes of it.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let text = match self {
            Format::Table => table(value),
            Format::Json => serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?,
            Format::Yaml => serde_saphyr::to_string(value).map_err(anyhow::Error::from)?,
        };
        line(text.trim_end())
    }
}

/// One line, or several, on standard output.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Ok(());
    }
    bytes(format!("{text}\n").as_bytes(), &mut io::stdout().lock())
}

/// Bytes as they are.
pub(crate) fn bytes(bytes: &[u8], to: &mut impl Write) -> Result<(), Failure> {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(anyhow::Error::from(error).context("cannot write the output").into()),
    }
}

/// A word about progress, on standard error.
pub(crate) fn note(text: impl std::fmt::Display) {
    // Without a standard error there is nobody to tell.
    drop(writeln!(io::stderr(), "{text}"));
}
