//! Whose a pool is, and in what order its runs start: two keys of its map `tidegate`, beside those of its provider.

use serde_json::{Map, Value};

use super::PoolSpec;
use crate::error::SpecError;
use crate::fields::Field;

/// In what order the runs of a pool start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QueueOrder {
    /// By band; in a band the teams take turns by what they had.
    #[default]
    Fair,
    /// By priority, then by submission.
    Strict,
}

const TEAM: &str = "team";
const ORDER: &str = "order";
const ORDERS: [(&str, QueueOrder); 2] = [("fair", QueueOrder::Fair), ("strict", QueueOrder::Strict)];

/// The map `tidegate`: its own keys checked, the others left to the provider.
pub(super) fn read(field: &Field<'_>) -> Result<Map<String, Value>, SpecError> {
    for (key, value) in field.entries()? {
        match key {
            TEAM => drop(value.name("the name of a team")?),
            ORDER => drop(value.choice(&ORDERS, str::to_lowercase)?),
            _ => {}
        }
    }
    field.object()
}

impl PoolSpec {
    /// The team of the workspace that its VMs count against; the workspace itself when none.
    pub fn team(&self) -> Option<&str> {
        self.tidegate.as_ref()?.get(TEAM)?.as_str()
    }

    /// In what order its runs start.
    pub fn order(&self) -> QueueOrder {
        let word = self.tidegate.as_ref().and_then(|own| own.get(ORDER)?.as_str()).unwrap_or_default();
        let known = ORDERS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
        known.map(|(_, order)| *order).unwrap_or_default()
    }

    /// What is its provider's of the map `tidegate`, if anything is.
    pub fn provider(&self) -> Option<Map<String, Value>> {
        let own = self.tidegate.as_ref()?.iter().filter(|(key, _)| !matches!(key.as_str(), TEAM | ORDER));
        let own: Map<String, Value> = own.map(|(key, value)| (key.clone(), value.clone())).collect();
        (!own.is_empty()).then_some(own)
    }
}
