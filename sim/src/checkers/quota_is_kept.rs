//! S3: what nodes use, counted anew, stays within every limit; above a limit that was cut nothing is granted.

use super::{Applied, Checker};
use crate::coverage::{Coverage, Mark};
use std::collections::BTreeMap;
use tidegate_scheduler::State;
use tidegate_scheduler::command::QuotaKey;

/// S3.
pub(super) struct QuotaIsKept;

fn usage(state: &State) -> BTreeMap<QuotaKey, u64> {
    let mut usage = BTreeMap::new();
    for (_, node) in state.nodes() {
        let Some(pool) = state.pool(node.pool) else { continue };
        for key in pool.quota_keys() {
            *usage.entry(key).or_default() += u64::from(pool.capacity().vcpu);
        }
    }
    usage
}

impl Checker for QuotaIsKept {
    fn applied(&mut self, at: &Applied<'_>, coverage: &mut Coverage, found: &mut Vec<String>) {
        let after = usage(at.after);
        let mut before = None;
        for (key, used) in &after {
            if at.after.quota().usage(key).total() != *used {
                found.push(format!(
                    "S3 quota: entry {}: the ledger counts {:?} for {key}, its nodes make {used}",
                    at.index,
                    at.after.quota().usage(key)
                ));
            }
            let Some(limit) = at.after.quota().limit(key) else { continue };
            if used == &limit {
                coverage.mark(Mark::QuotaHeld);
            }
            if *used <= limit {
                continue;
            }
            coverage.mark(Mark::QuotaCut);
            let before = before.get_or_insert_with(|| usage(at.before));
            let earlier = before.get(key).copied().unwrap_or_default();
            if *used > earlier {
                found.push(format!(
                    "S3 quota: entry {}: {key} went from {earlier} to {used} over its limit of {limit}",
                    at.index
                ));
            }
        }
        for key in at.after.quota().keys().filter(|key| !after.contains_key(key)) {
            if at.after.quota().usage(key).total() != 0 {
                found.push(format!(
                    "S3 quota: entry {}: the ledger counts {:?} for {key}, which has no nodes",
                    at.index,
                    at.after.quota().usage(key)
                ));
            }
        }
    }
}
