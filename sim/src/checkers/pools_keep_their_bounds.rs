//! A pool never grows beyond `max_instances`, nor while it is being deleted or its provider is left alone after a
//! failure.

use super::{Applied, Checker};
use crate::coverage::Coverage;
use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::event::{NodeChange, What};
use tidegate_scheduler::ids::PoolId;

/// Pools keep their bounds.
pub(super) struct PoolsKeepTheirBounds;

fn nodes(state: &State) -> BTreeMap<PoolId, u32> {
    let mut nodes = BTreeMap::new();
    state.nodes().for_each(|(_, node)| *nodes.entry(node.pool).or_default() += 1);
    nodes
}

impl Checker for PoolsKeepTheirBounds {
    fn applied(&mut self, at: &Applied<'_>, _: &mut Coverage, found: &mut Vec<String>) {
        let requested = |what: &What| match what {
            What::Node { node, change: NodeChange::Requested, .. } => {
                at.after.node(*node).map(|node| node.pool)
            }
            _ => None,
        };
        let grown: Vec<PoolId> =
            at.changes.events.iter().filter_map(|event| requested(&event.what)).collect();
        if grown.is_empty() {
            return;
        }
        let nodes = nodes(at.after);
        for id in grown {
            let Some(pool) = at.after.pool(id) else { continue };
            let is = nodes.get(&id).copied().unwrap_or_default();
            if is > pool.settings.max_instances || pool.deleting || pool.retry_at > at.after.now() {
                found.push(format!(
                    "pools keep their bounds: entry {}: {id} grows to {is} of at most {}, deleting: {}, left alone \
                     until {}",
                    at.index, pool.settings.max_instances, pool.deleting, pool.retry_at
                ));
            }
        }
    }
}
