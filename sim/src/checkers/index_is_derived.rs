//! S15: the index that was kept up entry by entry is the one that is made of the whole state.

use tidegate_scheduler::index::Index;
use tidegate_scheduler::{Core, State};

/// What differs between a controller's index and that of its state.
pub(crate) fn compare(core: &Core, found: &mut Vec<String>) {
    let state: &State = core.state();
    let (kept, whole) = (core.index(), Index::of(state));
    let mut differ = |what: String| {
        found.push(format!("S15 index is derived: {} at entry {}: {what}", core.id(), state.applied()));
    };
    if kept.waiting() != whole.waiting() {
        differ(format!("{} elements wait by the index, {} by the state", kept.waiting(), whole.waiting()));
    }
    for (id, _) in state.pools() {
        if kept.queue(id) != whole.queue(id) {
            differ(format!("the queue of {id} is {:?}, not {:?}", kept.queue(id), whole.queue(id)));
        }
        if kept.pool_nodes(id) != whole.pool_nodes(id) {
            differ(format!(
                "the nodes of {id} are {:?}, not {:?}",
                kept.pool_nodes(id),
                whole.pool_nodes(id)
            ));
        }
    }
}
