//! `tidegate run cancel` and `tidegate run retry`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::{Format, note};
use clap::Args;
use serde_json::json;
use tidegate_gateway::api::Touched;

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The run
    name: String,
    /// One element of an array; all when absent
    #[arg(long, value_name = "N")]
    element: Option<u32>,
}

impl Change {
    pub(crate) fn cancel(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let touched = self.ask(client, "cancel")?;
        match touched.elements {
            0 => note(format_args!("run {} is being cancelled already", self.name)),
            1 => note(format_args!("run {} is being cancelled", self.name)),
            many => note(format_args!("{many} elements of run {} are being cancelled", self.name)),
        }
        format.print(&touched, |_| String::new())
    }

    pub(crate) fn retry(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let touched = self.ask(client, "retry")?;
        match touched.elements {
            1 => note(format_args!("run {} is queued again", self.name)),
            many => note(format_args!("{many} elements of run {} are queued again", self.name)),
        }
        format.print(&touched, |_| String::new())
    }

    fn ask(&self, client: &Client, what: &str) -> Result<Touched, Failure> {
        let query: Vec<_> =
            self.element.map(|element| ("element", element.to_string())).into_iter().collect();
        client.post(&format!("/runs/{}/{what}", segment(&self.name)), &query, &json!({}))
    }
}
