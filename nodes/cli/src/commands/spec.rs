//! `tidegate spec`.

use crate::failure::Failure;
use crate::output::{Format, note};
use clap::Args;
use std::path::PathBuf;
use tidegate_spec::{Document, read_file, rest_body, unsupported, unsupported_pool};

const EXAMPLES: &str = "\
Examples:
  tidegate spec job.yml             the body as JSON
  tidegate spec job.yml -o yaml     the same as YAML

What Tidegate can read but not run yet is told on standard error; `submit` refuses it.";

/// Which file.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Spec {
    /// A job or pool file
    file: PathBuf,
}

impl Spec {
    pub(crate) fn run(&self, format: Format) -> Result<(), Failure> {
        let document = read_file(&self.file)?;
        let findings = match &document {
            Document::Command(job) => unsupported(job),
            Document::Pool(pool) => unsupported_pool(pool),
        };
        for finding in findings {
            note(format_args!("warning: {finding}"));
        }
        let body = rest_body(&document);
        match format {
            Format::Yaml => Format::Yaml.print(&body, |_| String::new()),
            Format::Table | Format::Json => Format::Json.print(&body, |_| String::new()),
        }
    }
}
