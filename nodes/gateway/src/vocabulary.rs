//! From the core's words to those that people know from Azure ML.

use crate::api::{BandName, DependsOnName, ElementCounts, NodeCounts, NodeState, RunState};
use tidegate_scheduler::Core;
use tidegate_scheduler::command::DependsOn;
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{Fence, NodeId};
use tidegate_scheduler::message::Phase;
use tidegate_scheduler::resources::Tier;
use tidegate_scheduler::state::elements::{Counts, ElementState};
use tidegate_scheduler::state::nodes::{Node, NodePhase};
use tidegate_scheduler::state::runs::{Band, Run};

/// At most so many placed elements are looked at to say where an array stands.
const LOOKED_AT: usize = 1000;

pub(crate) fn of_ending(ending: Ending) -> RunState {
    match ending {
        Ending::Completed => RunState::Completed,
        Ending::Failed => RunState::Failed,
        Ending::Canceled => RunState::Canceled,
    }
}

pub(crate) fn band(band: Band) -> BandName {
    match band {
        Band::Low => BandName::Low,
        Band::Medium => BandName::Medium,
        Band::High => BandName::High,
    }
}

pub(crate) fn depends_on(on: DependsOn) -> DependsOnName {
    match on {
        DependsOn::Completed => DependsOnName::Completed,
        DependsOn::Failed => DependsOnName::Failed,
        DependsOn::Ended => DependsOnName::Ended,
    }
}

pub(crate) fn counts(counts: Counts) -> ElementCounts {
    ElementCounts {
        queued: counts.waiting,
        running: counts.placed,
        completed: counts.completed,
        failed: counts.failed,
        canceled: counts.canceled,
    }
}

/// Where a whole run stands: an array stands where its furthest element does that has not ended.
pub(crate) fn of_run(core: &Core, run: &Run) -> RunState {
    if let Some(ending) = run.elements.ending() {
        return of_ending(ending);
    }
    if run.cancel_requested {
        return RunState::CancelRequested;
    }
    let placed = run.elements.placed().take(LOOKED_AT).map(|(_, fence)| of_attempt(core, fence));
    placed.max_by_key(|state| progress(*state)).unwrap_or(RunState::Queued)
}

fn progress(state: RunState) -> u8 {
    match state {
        RunState::Running => 5,
        RunState::Finalizing => 4,
        RunState::Starting => 3,
        RunState::Preparing => 2,
        RunState::NotResponding => 1,
        _ => 0,
    }
}

/// Where one element stands.
pub(crate) fn of_element(core: &Core, state: ElementState) -> RunState {
    match state {
        ElementState::Waiting(_) => RunState::Queued,
        ElementState::Placed(fence) => of_attempt(core, fence),
        ElementState::Ended(ending) => of_ending(ending),
    }
}

/// Where an attempt stands that has not ended.
pub(crate) fn of_attempt(core: &Core, fence: Fence) -> RunState {
    let Some(attempt) = core.state().attempt(fence) else { return RunState::Preparing };
    if attempt.stopping.is_some() {
        return RunState::CancelRequested;
    }
    if core.watch().silent().contains(&attempt.node) {
        return RunState::NotResponding;
    }
    match core.watch().seen(fence).map(|seen| seen.phase) {
        None | Some(Phase::Preparing) => RunState::Preparing,
        Some(Phase::Starting) => RunState::Starting,
        Some(Phase::Running) => RunState::Running,
        Some(Phase::Finalizing) => RunState::Finalizing,
    }
}

/// Where a node stands, and why when it is unusable.
pub(crate) fn of_node(core: &Core, id: NodeId, node: &Node) -> (NodeState, Option<String>) {
    let state = match &node.phase {
        NodePhase::Requested => NodeState::Requested,
        NodePhase::Booting => NodeState::Booting,
        NodePhase::Ready if core.watch().silent().contains(&id) => NodeState::Silent,
        NodePhase::Ready if node.attempts.is_empty() => NodeState::Idle,
        NodePhase::Ready => NodeState::Running,
        NodePhase::Unusable { reason } => return (NodeState::Unusable, Some(reason.clone())),
        NodePhase::Leaving => NodeState::Leaving,
    };
    (state, None)
}

/// Counts nodes by state.
pub(crate) fn node_counts<'a>(core: &Core, nodes: impl Iterator<Item = (NodeId, &'a Node)>) -> NodeCounts {
    let mut counts = NodeCounts::default();
    for (id, node) in nodes {
        *match of_node(core, id, node).0 {
            NodeState::Requested | NodeState::Booting => &mut counts.coming,
            NodeState::Idle => &mut counts.idle,
            NodeState::Running => &mut counts.running,
            NodeState::Silent | NodeState::Unusable => &mut counts.unusable,
            NodeState::Leaving => &mut counts.leaving,
        } += 1;
    }
    counts
}

/// The tier of this name; absent is dedicated.
pub(crate) fn tier(word: Option<&str>) -> Result<Tier, String> {
    match word.map(|word| word.to_ascii_lowercase().replace(['-', ' '], "_")).as_deref() {
        None | Some("dedicated") => Ok(Tier::Dedicated),
        Some("low_priority" | "lowpriority") => Ok(Tier::LowPriority),
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            Err(format!("`{other}` is no tier; use `dedicated` or `low_priority`"))
        }
    }
}

/// A region as quota counts by it: `East US` and `eastus` are the same.
pub(crate) fn region(written: Option<&str>) -> String {
    let plain = written.unwrap_or_default().to_lowercase().replace(' ', "");
    if plain.is_empty() { "local".to_owned() } else { plain }
}

/// The fraction of a GPU as people write it.
pub(crate) fn gpus(milli: u32) -> f64 {
    f64::from(milli) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_and_regions_are_read_as_people_write_them() {
        for word in [None, Some("dedicated"), Some("Dedicated")] {
            assert_eq!(tier(word), Ok(Tier::Dedicated));
        }
        for word in ["low_priority", "LowPriority", "low-priority"] {
            assert_eq!(tier(Some(word)), Ok(Tier::LowPriority));
        }
        assert!(tier(Some("spot")).unwrap_err().contains("low_priority"));
        assert_eq!(region(Some("East US")), "eastus");
        assert_eq!(region(None), "local");
    }
}
