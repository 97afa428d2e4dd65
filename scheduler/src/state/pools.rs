//! Pools: what an owner asked for, and what `apply` must know of them to re-check a plan.

use crate::command::PoolSettings;
use crate::ids::WorkspaceId;
use crate::limits::agreed;
use crate::refusal::Refusal;
use crate::resources::Resources;
use crate::state::quota::{Account, History};
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// The tenant that owns it.
    pub workspace: WorkspaceId,
    /// What its owner asked for.
    pub settings: PoolSettings,
    /// No new node, no new run; gone once its last node is.
    pub deleting: bool,
    /// Its nodes that exist or are on their way.
    pub nodes: u32,
    /// Runs queued for it or running on it.
    pub open_runs: u64,
    /// Nodes in a row that could not be made.
    pub boot_failures: u32,
    /// No node is asked for before this moment.
    pub retry_at: Millis,
    /// What the provider said last when it could not make one.
    pub last_failure: Option<String>,
    /// What each team has on it, and had lately, in millionths of a node.
    pub teams: BTreeMap<Box<str>, History>,
}

impl Pool {
    /// What one node offers.
    pub fn capacity(&self) -> &Resources {
        &self.settings.size.capacity
    }

    /// Whom its nodes count against.
    pub fn account(&self) -> Account {
        Account {
            region: self.settings.region.clone(),
            family: self.settings.size.family.clone(),
            tier: self.settings.tier,
            workspace: self.settings.workspace.clone(),
            team: self.settings.team.clone(),
        }
    }

    /// A team has so much more on it.
    pub fn team_takes(&mut self, team: &str, part: u64, now: Millis) {
        let history = self.teams.entry(team.into()).or_default();
        let rate = history.rate().saturating_add(part);
        history.set_rate(now, rate, part);
    }

    /// A team has so much less.
    pub fn team_gives(&mut self, team: &str, part: u64, now: Millis) {
        if let Some(history) = self.teams.get_mut(team) {
            history.set_rate(now, history.rate().saturating_sub(part), 0);
        }
        self.teams.retain(|_, history| !history.is_forgotten(now));
    }

    /// Waits longer after each node that could not be made.
    pub fn boot_failed(&mut self, now: Millis, reason: String) {
        let pause = agreed::BOOT_RETRY.0 << self.boot_failures.min(16);
        self.boot_failures += 1;
        self.retry_at = now.after(Millis(pause.min(agreed::BOOT_RETRY_MAX.0)));
        self.last_failure = Some(reason);
    }

    /// A node came up: the provider can make them.
    pub fn boot_succeeded(&mut self) {
        self.boot_failures = 0;
        self.retry_at = Millis::default();
        self.last_failure = None;
    }
}

/// Refuses settings that make no sense.
pub fn check(settings: &PoolSettings) -> Result<(), Refusal> {
    let bad = |reason: String| Err(Refusal::BadPool { pool: settings.name.clone(), reason });
    if settings.max_instances > agreed::INSTANCES {
        return Err(Refusal::TooMuch {
            what: "max_instances".into(),
            is: settings.max_instances.into(),
            limit: agreed::INSTANCES.into(),
        });
    }
    if settings.min_instances > settings.max_instances {
        let (min, max) = (settings.min_instances, settings.max_instances);
        return bad(format!("min_instances ({min}) is more than max_instances ({max})"));
    }
    if settings.size.capacity.vcpu == 0 {
        return bad(format!("VM size {} has no vCPU", settings.size.name));
    }
    Ok(())
}
