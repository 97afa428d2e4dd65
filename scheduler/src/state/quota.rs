//! The quota ledger: vCPU by (region, family, tier), over all workspaces and in each.
//!
//! It counts nodes that exist or are on their way, never `max_instances`. A limit below use is legal:
//! nothing new is granted until use falls.

use crate::command::QuotaKey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How vCPU count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// For a node that was asked for.
    Reserved,
    /// For a node that its provider is making.
    Provisioning,
    /// For a node that exists.
    Bound,
}

/// What counts against one limit, in vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// For nodes that were asked for.
    pub reserved: u64,
    /// For nodes that are being made.
    pub provisioning: u64,
    /// For nodes that exist.
    pub bound: u64,
}

impl Usage {
    /// All that counts.
    pub fn total(&self) -> u64 {
        self.reserved + self.provisioning + self.bound
    }

    fn at(&mut self, stage: Stage) -> &mut u64 {
        match stage {
            Stage::Reserved => &mut self.reserved,
            Stage::Provisioning => &mut self.provisioning,
            Stage::Bound => &mut self.bound,
        }
    }
}

/// A limit that leaves no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// Which.
    pub key: QuotaKey,
    /// The limit.
    pub limit: u64,
    /// What counts against it.
    pub used: u64,
}

/// The ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    limits: BTreeMap<QuotaKey, u64>,
    usage: BTreeMap<QuotaKey, Usage>,
}

impl Quota {
    /// Sets a limit, or lifts it.
    pub fn set(&mut self, key: QuotaKey, limit: Option<u64>) {
        match limit {
            Some(limit) => self.limits.insert(key, limit),
            None => self.limits.remove(&key),
        };
    }

    /// The limit of `key`; `None` is unlimited.
    pub fn limit(&self, key: &QuotaKey) -> Option<u64> {
        self.limits.get(key).copied()
    }

    /// What counts against `key`.
    pub fn usage(&self, key: &QuotaKey) -> Usage {
        self.usage.get(key).copied().unwrap_or_default()
    }

    /// Every key that has a limit or use, in order.
    pub fn keys(&self) -> impl Iterator<Item = &QuotaKey> {
        let only_used = self.usage.keys().filter(|key| !self.limits.contains_key(key));
        let mut keys: Vec<&QuotaKey> = self.limits.keys().chain(only_used).collect();
        keys.sort();
        keys.into_iter()
    }

    /// The first of `keys` that has no room for `vcpu` more.
    pub fn exhausted(&self, keys: &[QuotaKey], vcpu: u64) -> Option<Exhausted> {
        keys.iter().find_map(|key| {
            let limit = self.limit(key)?;
            let used = self.usage(key).total();
            (used + vcpu > limit).then(|| Exhausted { key: key.clone(), limit, used })
        })
    }

    /// How many nodes of `vcpu` each still fit.
    pub fn room(&self, keys: &[QuotaKey], vcpu: u64) -> u64 {
        let room = |key| Some(self.limit(key)?.saturating_sub(self.usage(key).total()) / vcpu.max(1));
        keys.iter().filter_map(room).min().unwrap_or(u64::MAX)
    }

    /// Counts `vcpu` against all `keys`.
    pub fn charge(&mut self, keys: &[QuotaKey], stage: Stage, vcpu: u64) {
        for key in keys {
            *self.usage.entry(key.clone()).or_default().at(stage) += vcpu;
        }
    }

    /// Takes `vcpu` back from all `keys`.
    pub fn refund(&mut self, keys: &[QuotaKey], stage: Stage, vcpu: u64) {
        for key in keys {
            if let Some(usage) = self.usage.get_mut(key) {
                let at = usage.at(stage);
                debug_assert!(*at >= vcpu, "refund of what was never charged");
                *at = at.saturating_sub(vcpu);
                if usage.total() == 0 {
                    self.usage.remove(key);
                }
            }
        }
    }
}
