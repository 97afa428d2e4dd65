//! `tidegate run show`.

use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::output::Format;
use crate::table::{between, elements, mib, pairs, span, table};
use clap::Args;
use tidegate_gateway::api::{
    AfterView, AttemptView, BandName, DependsOnName, NeedView, RunDetails, Timestamp,
};

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The run
    name: String,
    /// Whose attempts and outputs to show, of an array
    #[arg(long, value_name = "N")]
    element: Option<u32>,
}

impl Show {
    pub(crate) fn run(&self, format: Format, client: &Client) -> Result<(), Failure> {
        let query: Vec<_> =
            self.element.map(|element| ("element", element.to_string())).into_iter().collect();
        let details: RunDetails = client.get(&format!("/runs/{}", segment(&self.name)), &query)?;
        format.print(&details, page)
    }
}

fn page(details: &RunDetails) -> String {
    let run = &details.summary;
    let tags: Vec<String> = details
        .tags
        .iter()
        .map(|(key, value)| value.as_ref().map_or_else(|| key.clone(), |value| format!("{key}={value}")))
        .collect();
    let moment = |moment: &Option<Timestamp>| moment.as_ref().map(|moment| moment.0.clone());
    let took = run.started_at.as_ref().map(|from| between(Some(from), run.ended_at.as_ref()));
    let command =
        details.job.get("command").and_then(|command| command.as_str()).map(|text| text.trim().to_owned());
    let last = details.attempts.last();
    let head = pairs([
        ("name", Some(run.name.clone())),
        ("display name", run.display_name.clone()),
        ("state", Some(run.state.to_string())),
        ("result", run.result.clone()),
        ("elements", (run.count > 1).then(|| elements(run.count, &run.elements))),
        ("experiment", Some(run.experiment.clone())),
        ("pool", Some(run.pool.clone())),
        ("command", command),
        ("takes", Some(need(&details.need))),
        ("at once", details.max_concurrent.map(|most| format!("no more than {most} elements"))),
        ("priority", Some(format!("{} (band {})", details.priority, band(details.band)))),
        ("team", details.team.clone()),
        ("after", Some(details.after.iter().map(after).collect::<Vec<_>>().join("\n"))),
        ("description", details.description.clone()),
        ("tags", Some(tags.join(", "))),
        ("submitted", moment(&run.submitted_at)),
        ("started", moment(&run.started_at)),
        ("ended", moment(&run.ended_at)),
        ("duration", took),
        ("environment", last.and_then(|attempt| attempt.environment.clone())),
        ("limits", last.and_then(|attempt| attempt.confinement.clone())),
        ("outputs", Some(details.outputs.join(", "))),
        ("notes", Some(details.notes.join("\n"))),
    ]);
    if details.attempts.is_empty() {
        return head;
    }
    let of = if run.count > 1 {
        format!("attempts of element {}", details.element)
    } else {
        "attempts".to_owned()
    };
    format!("{head}\n\n{of}\n{}", attempts(&details.attempts))
}

fn band(band: BandName) -> &'static str {
    match band {
        BandName::Low => "low",
        BandName::Medium => "medium",
        BandName::High => "high",
    }
}

/// A run that is, or was, waited for.
fn after(after: &AfterView) -> String {
    let must = match after.on {
        DependsOnName::Completed => "has completed",
        DependsOnName::Failed => "has failed or was canceled",
        DependsOnName::Ended => "has ended",
    };
    match after.ended {
        None => format!("{} {must}: waits", after.run),
        Some(state) => format!("{} {must}: it is {state}", after.run),
    }
}

fn attempts(attempts: &[AttemptView]) -> String {
    let row = |attempt: &AttemptView| {
        [
            attempt.attempt.to_string(),
            attempt.node.clone(),
            attempt.state.to_string(),
            attempt.started_at.as_ref().map_or_else(|| "-".to_owned(), |at| at.0.clone()),
            attempt
                .started_at
                .as_ref()
                .map_or_else(|| "-".to_owned(), |at| between(Some(at), attempt.ended_at.as_ref())),
            attempt.cpu_seconds.map_or_else(|| "-".to_owned(), span),
            attempt.max_rss_mib.map_or_else(|| "-".to_owned(), |rss| mib(rss.ceil() as u64)),
            attempt.result.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    };
    table(
        ["TRY", "NODE", "STATE", "STARTED", "DURATION", "CPU", "MEMORY", "RESULT"],
        attempts.iter().map(row),
    )
}

fn need(need: &NeedView) -> String {
    if need.whole_node {
        return "a whole node".to_owned();
    }
    let memory = if need.memory_mib == 0 { "memory without limit".to_owned() } else { mib(need.memory_mib) };
    let gpus = if need.gpus > 0.0 { format!(", {} GPU", need.gpus) } else { String::new() };
    format!("{} vCPU, {memory}{gpus}", need.vcpu)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_reads_like_a_page() {
        let mut details = json!({
            "name": "one", "workspace": "default", "experiment": "mnist", "pool": "small", "state": "Failed", "count": 1,
            "elements": {"queued": 0, "running": 0, "completed": 0, "failed": 1, "canceled": 0},
            "submitted_at": "2030-01-01T00:00:00.000Z", "started_at": "2030-01-01T00:00:01.500Z",
            "ended_at": "2030-01-01T00:01:31.500Z", "exit_code": 7, "result": "exit code 7",
            "tags": {"team": "vision", "bare": null}, "properties": {}, "priority": 50, "band": "medium",
            "need": {"whole_node": false, "vcpu": 2, "memory_mib": 4096, "gpus": 0.0}, "retries": 1,
            "grace_seconds": 30.0, "job": {"command": "python train.py\n"}, "element": 0, "outputs": ["default"],
            "notes": ["environment x is not mapped", "the log was cut"],
            "attempts": [
                {"attempt": 1, "fence": "f3.0", "node": "n1", "state": "Failed", "result": "exit code 7", "exit_code": 7,
                 "started_at": "2030-01-01T00:00:01.500Z", "ended_at": "2030-01-01T00:00:02.000Z", "cpu_seconds": 0.25,
                 "max_rss_mib": 12.5, "environment": "the host's own programs", "confinement": "CPU and memory"},
                {"attempt": 2, "fence": "f9.0", "node": "n2", "state": "Failed"},
            ],
        });
        details["team"] = json!("nlp");
        details["max_concurrent"] = json!(4);
        details["after"] = json!([{"run": "clean", "on": "completed", "ended": "Completed"}, {"run": "other", "on": "failed"}]);
        let details: RunDetails = serde_json::from_value(details).unwrap();
        insta::assert_snapshot!(page(&details));
    }
}
