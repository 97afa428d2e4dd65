//! `tidegate run explain`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::Format;
use clap::Args;
use tidegate_gateway::api::Explanation;

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The run
    name: String,
}

impl Explain {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let explanation: Explanation = client.get(&format!("/runs/{}/explain", segment(&self.name)), &[])?;
        format.print(&explanation, text)
    }
}

fn text(explanation: &Explanation) -> String {
    if explanation.reasons.is_empty() {
        return explanation.summary.clone();
    }
    let reasons = explanation.reasons.iter().map(|reason| format!("\n  - {}", reason.text));
    format!("{}:{}", explanation.summary, reasons.collect::<String>())
}
