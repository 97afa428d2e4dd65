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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tidegate_gateway::api::{Reason, RunState};
    use tidegate_scheduler::command::{After, DependsOn};
    use tidegate_scheduler::forecast::Blocked;

    fn explained(blocked: &[Blocked]) -> String {
        let reason = |blocked: &Blocked| Reason { text: blocked.to_string(), details: json!(blocked) };
        text(&Explanation {
            name: "train".into(),
            state: RunState::Queued,
            summary: "train is queued".into(),
            reasons: blocked.iter().map(reason).collect(),
        })
    }

    #[test]
    fn what_is_not_room_on_nodes_reads_like_advice() {
        let runs = |names: &[(&str, DependsOn)]| {
            names.iter().map(|(run, on)| After { run: (*run).to_owned(), on: *on }).collect()
        };
        let well = DependsOn::Completed;
        let nlp = || "standardDSv2Family (dedicated, local, workspace lab, team nlp)".to_owned();
        let all = [
            Blocked::Dependency { runs: runs(&[("clean", well)]) },
            Blocked::Dependency { runs: runs(&[("clean", well), ("split", well)]) },
            Blocked::Dependency { runs: runs(&["a", "b", "c", "d"].map(|run| (run, DependsOn::Ended))) },
            Blocked::Dependency { runs: runs(&[("alarm", DependsOn::Failed), ("clean", well)]) },
            Blocked::Concurrency { running: 10, max_concurrent: 10 },
            Blocked::WorkspaceLimit { workspace: "lab".into(), running: 200, max_running: 200 },
            Blocked::Quota {
                limit_of: nlp(),
                limit: 8,
                used: 8,
                needed: 4,
                suggestion: "tidegate quota set standardDSv2Family 12 --for-workspace lab --for-team nlp"
                    .into(),
            },
            Blocked::QuotaLent { limit_of: nlp(), all: 64, used: 62, needed: 4 },
            Blocked::Budget {
                budget_of: nlp(),
                vcpu_hours: 500,
                period: "week".into(),
                resets_in_ms: 3 * 3_600_000,
            },
        ];
        insta::assert_snapshot!(explained(&all));
    }
}
