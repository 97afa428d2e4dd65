//! Telling people and programs that a server is up.

use crate::failure::Failure;
use crate::output::{self, Format, note};
use serde::Serialize;
use std::path::Path;

/// What a program learns of a server that has come up.
#[derive(Serialize)]
struct Up<'a> {
    /// The first of `servers`.
    server: &'a str,
    servers: &'a [String],
    data: &'a Path,
    pid: u32,
}

/// Tells of a server, or of several of one cluster.
pub(crate) fn up(format: Format, servers: &[String], data: &Path, pool: &str) -> Result<(), Failure> {
    note(format_args!(
        "tidegate {} is up at {}\n  data  {}\n  pool  {pool}\n  next  tidegate submit job.yml --stream\n\
         Ctrl-C drains and stops: it starts no more runs, and waits for those that run.",
        env!("CARGO_PKG_VERSION"),
        servers.join(", "),
        data.display()
    ));
    match format {
        Format::Table => Ok(()),
        Format::Json | Format::Yaml => {
            let server = servers.first().map_or("", String::as_str);
            let up = Up { server, servers, data, pid: std::process::id() };
            // One line, so that who started it can wait for it.
            match format {
                Format::Json => output::line(&serde_json::json!(up).to_string()),
                Format::Table | Format::Yaml => format.print(&up, |_| String::new()),
            }
        }
    }
}
