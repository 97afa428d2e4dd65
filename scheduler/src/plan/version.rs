//! When the machine version is raised.

use crate::state::State;

/// The version that every controller supports, if it is above the one in force and this member supports it too.
pub fn next(state: &State, own: u32) -> Option<u32> {
    let all = state.controllers().map(|(_, known)| known.card.supports).min()?;
    Some(all.min(own)).filter(|to| *to > state.version())
}
