//! What a batch of writes would make of the log, worked out before a byte is written.

use tidegate_scheduler::consensus::{HardState, Persist};

/// An entry longer than this is refused; the engine's own limit is 2 GiB for a whole write.
const ENTRY_BYTES_MAX: usize = 64 << 20;
/// All entries of one write.
const WRITE_BYTES_MAX: usize = 1 << 30;

/// The log as it will be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) last: u64,
    pub(super) hard_state: HardState,
    /// Whether anything in the batch may not be lost.
    pub(super) must_sync: bool,
}

impl Plan {
    /// Checks that `persists` continue a log of `first..=last`. The engine checks only after it has written,
    /// and then it panics. An error says what does not fit.
    pub(super) fn of(
        persists: &[Persist],
        first: u64,
        last: u64,
        hard_state: HardState,
    ) -> Result<Self, String> {
        let committed = hard_state.commit;
        let mut plan = Self { last, hard_state, must_sync: false };
        let mut bytes = 0usize;
        for persist in persists {
            plan.must_sync |= persist.must_sync || !persist.entries.is_empty();
            plan.hard_state = persist.hard_state.unwrap_or(plan.hard_state);
            if let Some(start) = persist.entries.first() {
                if start.index <= committed || start.index < first || start.index > plan.last + 1 {
                    return Err(format!(
                        "entry {} does not continue entries {first} to {} of which {committed} are committed",
                        start.index, plan.last
                    ));
                }
                plan.last = start.index - 1;
            }
            for entry in &persist.entries {
                if entry.index != plan.last + 1 {
                    return Err(format!("entry {} follows entry {}", entry.index, plan.last));
                }
                if entry.data.len() > ENTRY_BYTES_MAX {
                    return Err(format!(
                        "entry {} has {} bytes, of {ENTRY_BYTES_MAX} allowed",
                        entry.index,
                        entry.data.len()
                    ));
                }
                plan.last = entry.index;
                bytes = bytes.saturating_add(entry.data.len() + 64);
            }
        }
        if bytes > WRITE_BYTES_MAX {
            return Err(format!("one write has {bytes} bytes, of {WRITE_BYTES_MAX} allowed"));
        }
        if plan.hard_state.commit > plan.last {
            return Err(format!("{} are committed of {} entries", plan.hard_state.commit, plan.last));
        }
        Ok(plan)
    }
}
