//! `tidegate controller add`, `remove`, `list` and `lead`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{Format, note};
use crate::server;
use crate::table::table;
use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;
use tidegate_controller::{BundleFile, JoinBundle};
use tidegate_gateway::api::{ControllerView, Invite, Page};

const ADD_EXAMPLES: &str = "\
Examples:
  tidegate controller add --out c4.join                  one more that votes
  tidegate controller add --learner --out c5.join        one that follows, and never votes
  tidegate controller add --replaces 2 --out c4.join     in the place of one whose disk was lost

The bundle, with the token beside it, goes to the new controller's machine and there into
`tidegate controller run --join`. It is a secret: it holds the cluster's key. The new controller copies
what there is and votes once it has caught up; the one that it replaces then goes.";

const REMOVE_NOTES: &str = "\
It no longer votes, the others close its links and refuse it by its number, and its process ends.

What that does not take away: its data folder, like every join bundle, holds the cluster's key, and
the clients' token with it. Whoever has a copy can still make certificates that the cluster's
controllers and workers trust, until the key is another one. So delete the folder, its backups and
the bundle:
  rm -r DATA-FOLDER

If a copy may be in wrong hands:
  the token   write a new one to the file `token` of every data folder, and restart all controllers
  the key     cannot be changed in a cluster yet: stop this one, make a new one with `tidegate
              controller init` on empty folders, and submit again what had not ended";

/// Which kind of controller.
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct Add {
    /// It follows, and never votes
    #[arg(long)]
    learner: bool,
    /// The controller whose place it takes: its data folder must never be used again
    #[arg(long, value_name = "ID", value_parser = number)]
    replaces: Option<u64>,
    /// The file for its join bundle; it must not be there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Which controller.
#[derive(Debug, Args)]
#[command(after_help = REMOVE_NOTES)]
pub(crate) struct Remove {
    /// Its number, as `tidegate controller list` shows it
    #[arg(value_parser = number)]
    id: u64,
}

/// Which controller.
#[derive(Debug, Args)]
pub(crate) struct Lead {
    /// Its number, as `tidegate controller list` shows it
    #[arg(value_parser = number)]
    id: u64,
}

/// What was made for a new controller.
#[derive(Serialize)]
struct Added {
    id: u64,
    bundle: PathBuf,
}

impl Add {
    pub(crate) fn run(self, format: Format, client: &Client) -> Result<(), Failure> {
        let path = self.out;
        // Before the cluster is asked: what it lets in must not be lost for want of a file.
        let file = BundleFile::make(&path).map_err(anyhow::Error::from)?;
        let wanted = Invite { voter: !self.learner, replaces: self.replaces };
        let bundle: JoinBundle = client.post("/controllers", &[], &wanted)?;
        let lost = || {
            let id = bundle.id;
            format!(
                "controller c{id} is let in, and its bundle is lost: `tidegate controller remove c{id}`, and try again"
            )
        };
        file.write(&bundle).with_context(lost)?;
        if let Some(token) = client.token() {
            server::save_token(&server::token_beside(&path), token)?;
        }
        note(format_args!(
            "controller c{} is let in; on its machine: tidegate controller run --config controller.toml --join {}",
            bundle.id,
            path.display()
        ));
        format.print(&Added { id: bundle.id, bundle: path }, |added| added.bundle.display().to_string())
    }
}

impl Remove {
    pub(crate) fn run(self, client: &Client) -> Result<(), Failure> {
        client.delete(&format!("/controllers/{}", segment(&self.id.to_string())), &[])?;
        note(format_args!("controller c{} goes; its process ends once it has been told", self.id));
        Ok(())
    }
}

impl Lead {
    pub(crate) fn run(self, client: &Client) -> Result<(), Failure> {
        client.command(&format!("/controllers/{}/lead", self.id))?;
        note(format_args!("controller c{} leads", self.id));
        Ok(())
    }
}

pub(crate) fn list(format: Format, client: &Client) -> Result<(), Failure> {
    let page: Page<ControllerView> = client.get("/controllers", &[])?;
    format.print(&page, |page| {
        let headings = ["NAME", "ROLE", "STATE", "BEHIND", "ADDRESS", "HTTP"];
        table(headings, page.items.iter().map(row))
    })
}

fn row(controller: &ControllerView) -> [String; 6] {
    let state = match (controller.leader, controller.heard) {
        (true, _) => "leads",
        (false, Some(false)) => "silent",
        (false, Some(true)) => "follows",
        (false, None) => "unknown",
    };
    let role = match controller.replaces {
        Some(old) => format!("{} for c{old}", controller.role),
        None => controller.role.to_string(),
    };
    let or_dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        format!("c{}", controller.id),
        role,
        state.to_owned(),
        controller.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string()),
        or_dash(&controller.address),
        or_dash(&controller.http),
    ]
}

/// A controller's number, also as lists show it.
fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('c').unwrap_or(text);
    digits.parse().map_err(|_| "give a controller's number, such as 2 or c2".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_controller_is_named_as_lists_show_it() {
        assert_eq!([number("3"), number("c12")], [Ok(3), Ok(12)]);
        assert!(number("c").is_err() && number("-1").is_err() && number("first").is_err());
    }

    #[test]
    fn controllers_read_like_a_table() {
        let views = json!([
            {"id": 1, "address": "10.0.0.1:1", "http": "http://h:1", "role": "voter", "leader": true, "lag": 0, "heard": true},
            {"id": 2, "address": "", "http": "", "role": "leaving", "leader": false, "lag": 9, "heard": false},
            {"id": 4, "address": "10.0.0.4:1", "http": "", "role": "joining", "leader": false, "replaces": 2},
        ]);
        let views: Vec<ControllerView> = serde_json::from_value(views).unwrap();
        let rows: Vec<String> = views.iter().map(|view| row(view).join(" ")).collect();
        assert_eq!(
            rows,
            [
                "c1 voter leads 0 10.0.0.1:1 http://h:1",
                "c2 leaving silent 9 - -",
                "c4 joining for c2 unknown - 10.0.0.4:1 -"
            ]
        );
    }
}
