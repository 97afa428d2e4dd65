//! `tidegate status`.

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;
use crate::table::{pairs, span};
use tidegate_gateway::api::{ControllerRole, ControllerView, NodeCounts, StatusView};

pub(crate) fn run(format: Format, client: &Client) -> Result<(), Failure> {
    let status: StatusView = client.get("/status", &[])?;
    format.print(&status, |status| table(&client.server(), status))
}

fn table(server: &str, status: &StatusView) -> String {
    let leads = if status.leader { "leads" } else { "answers" };
    let refusing = status.refusing.as_ref().map(|reason| format!("no new work is accepted: {reason}"));
    let draining = status.draining.then(|| "nothing more is started, and nodes are given back".to_owned());
    pairs([
        ("server", Some(server.to_owned())),
        ("version", Some(status.version.clone())),
        ("data", Some(status.data.clone())),
        (
            "controller",
            Some(format!("c{} {leads}, up for {}", status.controller, span(status.uptime_seconds))),
        ),
        ("controllers", (status.controllers.len() > 1).then(|| controllers(status))),
        ("refusing", refusing),
        ("draining", draining),
        ("pools", Some(status.pools.to_string())),
        ("nodes", Some(nodes(&status.nodes))),
        ("runs", Some(format!("{} open, {} ended", status.open_runs, status.ended_runs))),
        (
            "elements",
            Some(format!("{} queued, {} on nodes", status.queued_elements, status.running_elements)),
        ),
    ])
}

/// All controllers in a line, and what is wrong with each.
fn controllers(status: &StatusView) -> String {
    let one = |controller: &ControllerView| {
        let silent = if controller.heard == Some(false) { ", silent" } else { "" };
        match controller.role {
            ControllerRole::Voter if silent.is_empty() => format!("c{}", controller.id),
            role => format!("c{} ({role}{silent})", controller.id),
        }
    };
    status.controllers.iter().map(one).collect::<Vec<_>>().join(", ")
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
