//! `tidegate status`.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;
use crate::table::{pairs, span};
use tidegate_gateway::api::{NodeCounts, StatusView};

pub(crate) fn run(format: Format, client: &Client) -> Result<(), Failure> {
    let status: StatusView = client.get("/status", &[])?;
    format.print(&status, |status| table(client.server(), status))
}

fn table(server: &str, status: &StatusView) -> String {
    let leads = if status.leader { "leads" } else { "follows: it takes no requests" };
    pairs([
        ("server", Some(server.to_owned())),
        ("version", Some(status.version.clone())),
        ("data", Some(status.data.clone())),
        ("controller", Some(format!("{leads}, up for {}", span(status.uptime_seconds)))),
        ("refusing", status.refusing.as_ref().map(|reason| format!("no new work is accepted: {reason}"))),
        ("pools", Some(status.pools.to_string())),
        ("nodes", Some(nodes(&status.nodes))),
        ("runs", Some(format!("{} open, {} ended", status.open_runs, status.ended_runs))),
        (
            "elements",
            Some(format!("{} queued, {} on nodes", status.queued_elements, status.running_elements)),
        ),
    ])
}

/// Nodes by state; those states alone that some node is in.
pub(crate) fn nodes(nodes: &NodeCounts) -> String {
    let counts = [
        (nodes.running, "running"),
        (nodes.idle, "idle"),
        (nodes.coming, "coming"),
        (nodes.leaving, "leaving"),
        (nodes.unusable, "unusable"),
    ];
    let some: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    if some.is_empty() { "0".to_owned() } else { some.join(", ") }
}
