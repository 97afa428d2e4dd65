//! S1: every controller applies the same entries, says the same of each to history, and comes to the same state,
//! byte for byte. States are compared every few entries and after each start and each installed snapshot.

use crate::reference::Reference;
use std::collections::BTreeMap;
use tidegate_scheduler::event::Event;
use tidegate_scheduler::{Core, Effect};

/// Every so many entries the whole state is compared.
const EVERY: u64 = 16;

/// The entries that a controller applied, in the terms of its own log.
pub(crate) fn terms(
    id: u64,
    applied: impl Iterator<Item = (u64, Option<u64>)>,
    reference: &Reference,
    found: &mut Vec<String>,
) {
    for (index, term) in applied {
        let agreed = reference.term(index);
        if term != agreed {
            found.push(format!(
                "S1 replicas agree: controller {id} applied entry {index} of term {term:?}, others of {agreed:?}"
            ));
        }
    }
}

/// What a controller told history.
pub(crate) fn events(
    id: u64,
    effects: &[Effect],
    applied: impl Iterator<Item = u64>,
    reference: &Reference,
    found: &mut Vec<String>,
) {
    let mut told: BTreeMap<u64, Vec<&Event>> = BTreeMap::new();
    for effect in effects {
        if let Effect::Record(event) = effect {
            told.entry(event.index).or_default().push(event);
        }
    }
    for index in applied {
        let told = told.remove(&index).unwrap_or_default();
        if !told.iter().copied().eq(reference.events(index)) {
            found.push(format!(
                "S1 replicas agree: controller {id} told history {told:?} of entry {index}, others {:?}",
                reference.events(index)
            ));
        }
    }
}

/// Whether the state is to be compared after these entries.
pub(crate) fn is_due(from: u64, to: u64) -> bool {
    from / EVERY != to / EVERY
}

/// The whole state.
pub(crate) fn states(core: &Core, reference: &Reference, found: &mut Vec<String>) {
    let state = core.state();
    let Some(agreed) = reference.at(state.applied()) else { return };
    if state == agreed {
        return;
    }
    found.push(format!(
        "S1 replicas agree: controller {} has state {:016x} after entry {}, others {:016x}",
        core.id(),
        state.hash(),
        state.applied(),
        agreed.hash()
    ));
}
