//! The bodies of runs that were submitted lately, until they are in the store and after: a start right
//! after a submission finds its body here.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tidegate_scheduler::ids::ContentId;

/// How many bytes are kept.
const KEPT: usize = 8 << 20;

/// A bounded cache; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bodies(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<ContentId, Arc<[u8]>>,
    oldest: VecDeque<ContentId>,
    bytes: usize,
}

impl Bodies {
    /// Keeps a body, and drops the oldest ones beyond the bound.
    pub(crate) fn put(&self, id: ContentId, body: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_id.insert(id, body.into()).is_some() {
            return;
        }
        kept.oldest.push_back(id);
        kept.bytes += body.len();
        while kept.bytes > KEPT {
            let Some(oldest) = kept.oldest.pop_front() else { break };
            let dropped = kept.by_id.remove(&oldest).map_or(0, |body| body.len());
            kept.bytes -= dropped;
        }
    }

    /// A body, if it is still kept.
    pub(crate) fn get(&self, id: &ContentId) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.get(id).cloned()
    }
}
