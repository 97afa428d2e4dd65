//! `tidegate workspace`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::Format;
use crate::table::table;
use clap::Args;
use std::str::FromStr;
use tidegate_gateway::api::{Page, WorkspaceLimits, WorkspaceView};

const EXAMPLES: &str = "\
Examples:
  tidegate workspace set lab --max-running 200    200 elements on nodes at once; more wait
  tidegate workspace set lab --max-open 5000      5000 runs that have not ended; more are refused
  tidegate workspace set lab --max-running none   no limit
  tidegate workspace list

An option that is left out leaves its limit as it is. A workspace that does not exist is made.
vCPU are limited by `tidegate quota set`.";

/// Which workspace, and how many runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Set {
    /// The workspace
    name: String,
    /// Elements on nodes at once, or `none` for no limit
    #[arg(long, value_name = "N|none", required_unless_present = "max_open")]
    max_running: Option<AtMost>,
    /// Runs that have not ended, an array counting once, or `none` for no limit
    #[arg(long, value_name = "N|none")]
    max_open: Option<AtMost>,
}

/// A number of runs, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AtMost(Option<u32>);

impl FromStr for AtMost {
    type Err = String;

    fn from_str(text: &str) -> Result<AtMost, String> {
        match text {
            "none" => Ok(AtMost(None)),
            number => match number.parse() {
                Ok(number) => Ok(AtMost(Some(number))),
                Err(_) => Err("give a number, or `none`".to_owned()),
            },
        }
    }
}

impl Set {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let known = all(client)?.items.into_iter().find(|workspace| workspace.name == self.name);
        let (max_running, max_open) = known.map_or((None, None), |known| (known.max_running, known.max_open));
        let limits = WorkspaceLimits {
            max_running: self.max_running.map_or(max_running, |most| most.0),
            max_open: self.max_open.map_or(max_open, |most| most.0),
        };
        let set: WorkspaceView = client.put(&format!("/workspaces/{}", segment(&self.name)), &[], &limits)?;
        format.print(&set, |workspace| workspaces(std::slice::from_ref(workspace)))
    }
}

pub(crate) fn list(format: Format, client: &Client) -> Result<(), Failure> {
    format.print(&all(client)?, |page| workspaces(&page.items))
}

fn all(client: &Client) -> Result<Page<WorkspaceView>, Failure> {
    client.get("/workspaces", &[])
}

fn workspaces(workspaces: &[WorkspaceView]) -> String {
    let most = |limit: Option<u32>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let row = |workspace: &WorkspaceView| {
        [
            workspace.name.clone(),
            workspace.running.to_string(),
            most(workspace.max_running),
            workspace.open.to_string(),
            most(workspace.max_open),
        ]
    };
    table(["NAME", "RUNNING", "MAX RUNNING", "OPEN", "MAX OPEN"], workspaces.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspaces_read_like_a_table() {
        let view = |name: &str, max_running, max_open| WorkspaceView {
            name: name.to_owned(),
            running: 3,
            open: 12,
            max_running,
            max_open,
        };
        insta::assert_snapshot!(workspaces(&[view("default", None, None), view("lab", Some(3), Some(5000))]));
    }
}
