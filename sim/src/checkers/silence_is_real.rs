//! A node is given up only if the leader that says so has led, and has not heard of it, for as long as a silent worker
//! keeps its runs. Clocks may run at twice the speed.

use crate::clock::Micros;
use std::collections::BTreeMap;
use tidegate_scheduler::Limits;
use tidegate_scheduler::command::{Command, Entry, Observation};
use tidegate_scheduler::consensus::LogEntry;
use tidegate_scheduler::ids::NodeId;

/// Who was heard when, and who began to lead when.
#[derive(Default)]
pub(crate) struct SilenceIsReal {
    heard: BTreeMap<(u64, NodeId), Micros>,
    leads_since: BTreeMap<u64, Micros>,
}

impl SilenceIsReal {
    /// A worker's message came to a controller that leads.
    pub(crate) fn heard(&mut self, controller: u64, node: NodeId, now: Micros) {
        self.heard.insert((controller, node), now);
    }

    /// A controller begins to lead.
    pub(crate) fn leads(&mut self, controller: u64, now: Micros) {
        self.leads_since.insert(controller, now);
    }

    /// Whether nothing of this worker came to a controller for so long that a leader may leave its node alone. Clocks
    /// may run at twice the speed.
    pub(crate) fn is_silent(&self, controller: u64, node: NodeId, now: Micros, limits: &Limits) -> bool {
        let heard = self.heard.get(&(controller, node));
        heard.is_none_or(|heard| now.since(*heard) > Micros::millis(limits.lease.0 / 2))
    }

    /// A leader proposes an entry.
    pub(crate) fn proposes(
        &self,
        controller: u64,
        entry: &LogEntry,
        limits: &Limits,
        now: Micros,
        found: &mut Vec<String>,
    ) {
        let Ok(content) = rmp_serde::from_slice::<Entry>(&entry.data) else { return };
        for command in &content.commands {
            let Command::Observed(Observation::NodeLost { node }) = command else { continue };
            let led = self.leads_since.get(&controller).copied().unwrap_or_default();
            let heard = self.heard.get(&(controller, *node)).copied().unwrap_or_default();
            let silent = now.since(led.max(heard));
            if silent < Micros::millis(limits.lost_after.0 / 2) {
                found.push(format!(
                    "silence is real: {controller} gives {node} up in entry {} after {silent:?}, not {}",
                    entry.index, limits.lost_after
                ));
            }
        }
    }
}
