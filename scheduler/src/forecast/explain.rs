//! Why a run waits: every reason, with its numbers and what would help.

use crate::command::{After, DependsOn};
use crate::ids::{NodeId, PoolId, RunId};
use crate::index::{Index, Rank};
use crate::resources::{Need, Resources};
use crate::state::State;
use crate::state::pools::Pool;
use crate::state::quota::{Exhausted, Now, Why};
use crate::state::runs::Run;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

/// One reason why elements of a run wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Blocked {
    /// It starts after other runs, which have not ended.
    Dependency {
        /// Which, and how each must end.
        runs: Vec<After>,
    },
    /// As many of its elements run as may.
    Concurrency {
        /// How many.
        running: u32,
        /// How many may.
        max_concurrent: u32,
    },
    /// Its workspace runs as much as it may.
    WorkspaceLimit {
        /// The workspace.
        workspace: String,
        /// Elements that run.
        running: u32,
        /// How many may.
        max_running: u32,
    },
    /// Others come first.
    Queue {
        /// The pool.
        pool: String,
        /// Elements before it, of whatever shape.
        ahead: u64,
    },
    /// No node has enough left.
    Capacity {
        /// The pool.
        pool: String,
        /// What an element needs.
        need: String,
        /// How many nodes are ready.
        ready: u64,
        /// The most that one of them has left.
        best_free: Option<String>,
    },
    /// Nodes are on their way.
    Booting {
        /// The pool.
        pool: String,
        /// How many.
        nodes: u64,
        /// Since when the first of them, in milliseconds.
        for_ms: u64,
    },
    /// The pool may not grow.
    PoolMax {
        /// The pool.
        pool: String,
        /// Its `max_instances`.
        max_instances: u32,
        /// Its nodes that exist or are on their way.
        nodes: u32,
    },
    /// Quota leaves no room for one more node.
    Quota {
        /// What is limited.
        limit_of: String,
        /// The limit, in vCPU.
        limit: u64,
        /// What counts against it.
        used: u64,
        /// What one more node needs.
        needed: u64,
        /// What would help.
        suggestion: String,
    },
    /// Quota is there, and others have it or are promised it.
    QuotaLent {
        /// What is shared.
        limit_of: String,
        /// What all have together, in vCPU.
        all: u64,
        /// What they use of it.
        used: u64,
        /// What one more node needs.
        needed: u64,
    },
    /// A budget is used up.
    Budget {
        /// Whose.
        budget_of: String,
        /// vCPU-hours in a period.
        vcpu_hours: u64,
        /// The period.
        period: String,
        /// When the next one begins, in milliseconds.
        resets_in_ms: u64,
    },
    /// The provider could not make nodes.
    BootFailed {
        /// The pool.
        pool: String,
        /// What it said last.
        error: String,
        /// How many failures in a row.
        failures: u32,
        /// When it is tried again, in milliseconds.
        retry_in_ms: u64,
    },
    /// Nodes whose worker is silent take nothing new.
    Silent {
        /// The pool.
        pool: String,
        /// How many.
        nodes: u64,
    },
    /// Its pool is being deleted.
    PoolDeleting {
        /// The pool.
        pool: String,
    },
}

/// Every reason why elements of `run` wait; empty when none waits.
pub fn explain(
    state: &State,
    index: &Index,
    silent: &BTreeSet<NodeId>,
    now: Millis,
    run: RunId,
) -> Vec<Blocked> {
    let Some(found) = state.run(run).filter(|run| run.elements.counts().waiting > 0) else {
        return Vec::new();
    };
    let Some(pool) = state.pool(found.pool) else {
        return Vec::new();
    };
    let mut reasons = Vec::new();
    if pool.deleting {
        reasons.push(Blocked::PoolDeleting { pool: pool.settings.name.clone() });
        return reasons;
    }
    waiting_for(state, found, &mut reasons);
    let ahead =
        index.queue(found.pool).map_or(0, |queue| queue.ahead_of(Rank::of(run, found, pool.settings.order)));
    if ahead > 0 {
        reasons.push(Blocked::Queue { pool: pool.settings.name.clone(), ahead });
    }
    nodes(index, silent, now, found.pool, pool, &found.need, &mut reasons);
    growth(state, now, pool, &mut reasons);
    reasons
}

/// What keeps a run from starting whatever room there is.
fn waiting_for(state: &State, run: &Run, reasons: &mut Vec<Blocked>) {
    let Some(terms) = &run.terms else { return limited(state, run, reasons) };
    if run.pending > 0 {
        let open = |(run, on): &(RunId, DependsOn)| match state.prerequisite(*run)? {
            (name, None) => Some(After { run: name.to_owned(), on: *on }),
            (_, Some(_)) => None,
        };
        let open = terms.after.iter().filter_map(open).collect();
        reasons.push(Blocked::Dependency { runs: open });
    }
    let placed = run.elements.counts().placed;
    if let Some(most) = terms.max_concurrent.filter(|most| placed >= *most) {
        reasons.push(Blocked::Concurrency { running: placed, max_concurrent: most });
    }
    limited(state, run, reasons);
}

/// What its workspace may run.
fn limited(state: &State, run: &Run, reasons: &mut Vec<Blocked>) {
    let Some(workspace) = state.workspace_of(run.workspace).filter(|workspace| workspace.room() == 0) else {
        return;
    };
    reasons.push(Blocked::WorkspaceLimit {
        workspace: workspace.name.to_string(),
        running: workspace.running,
        max_running: workspace.limits.max_running.unwrap_or(u32::MAX),
    });
}

fn nodes(
    index: &Index,
    silent: &BTreeSet<NodeId>,
    now: Millis,
    id: PoolId,
    pool: &Pool,
    need: &Need,
    reasons: &mut Vec<Blocked>,
) {
    let name = &pool.settings.name;
    let nodes = index.pool_nodes(id);
    let best = nodes.and_then(|nodes| nodes.by_free().map(|(free, _)| free).max_by_key(key));
    reasons.push(Blocked::Capacity {
        pool: name.clone(),
        need: need.to_string(),
        ready: nodes.map_or(0, |nodes| nodes.ready() as u64),
        best_free: best.map(|free| free.to_string()),
    });
    let Some(nodes) = nodes else { return };
    let quiet = nodes.by_free().filter(|(_, node)| silent.contains(node)).count() as u64;
    if quiet > 0 {
        reasons.push(Blocked::Silent { pool: name.clone(), nodes: quiet });
    }
    if let Some((since, _)) = nodes.coming().next() {
        let (count, for_ms) = (nodes.coming().count() as u64, now.since(since).0);
        reasons.push(Blocked::Booting { pool: name.clone(), nodes: count, for_ms });
    }
}

fn key(free: &Resources) -> (u32, u64) {
    (free.vcpu, free.memory_mib)
}

/// What keeps the pool from getting one more node.
fn growth(state: &State, now: Millis, pool: &Pool, reasons: &mut Vec<Blocked>) {
    let settings = &pool.settings;
    if pool.nodes >= settings.max_instances {
        reasons.push(Blocked::PoolMax {
            pool: settings.name.clone(),
            max_instances: settings.max_instances,
            nodes: pool.nodes,
        });
    }
    let now_and_wall = Now { time: now, wall: state.wall() };
    let needed = u64::from(pool.capacity().vcpu);
    let exhausted = state.quota().exhausted(&pool.account(), needed, now_and_wall);
    reasons.extend(exhausted.into_iter().map(|exhausted| quota(exhausted, needed)));
    if let Some(error) = &pool.last_failure {
        reasons.push(Blocked::BootFailed {
            pool: settings.name.clone(),
            error: error.clone(),
            failures: pool.boot_failures,
            retry_in_ms: pool.retry_at.since(now).0,
        });
    }
}

fn quota(Exhausted { key, why }: Exhausted, needed: u64) -> Blocked {
    let limit_of = key.to_string();
    match why {
        Why::Limit { limit, used } => {
            let mut raise = format!("tidegate quota set {}", key.family.as_deref().unwrap_or("all"));
            let _ = write!(raise, " {} --tier {} --region {}", used + needed, key.tier, key.region);
            if let Some(workspace) = &key.workspace {
                let _ = write!(raise, " --for-workspace {workspace}");
            }
            if let Some(team) = &key.team {
                let _ = write!(raise, " --for-team {team}");
            }
            Blocked::Quota { limit_of, limit, used, needed, suggestion: raise }
        }
        Why::Lent { all, used } => Blocked::QuotaLent { limit_of, all, used, needed },
        Why::Budget { budget, resets_in } => Blocked::Budget {
            budget_of: limit_of,
            vcpu_hours: budget.vcpu_hours,
            period: budget.period.to_string(),
            resets_in_ms: resets_in.0,
        },
    }
}

/// What is waited for, by how it must end.
fn awaited(runs: &[After]) -> String {
    let told = [DependsOn::Completed, DependsOn::Failed, DependsOn::Ended].map(|on| {
        let names: Vec<&str> =
            runs.iter().filter(|after| after.on == on).map(|after| after.run.as_str()).collect();
        let end = match on {
            DependsOn::Completed => "completed",
            DependsOn::Failed => "failed or been canceled",
            DependsOn::Ended => "ended in any way",
        };
        (!names.is_empty()).then(|| format!("{} {end}", few(&names)))
    });
    told.into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

/// A few names, and how many more.
fn few(runs: &[&str]) -> String {
    match runs {
        [one] => format!("run {one} has"),
        [first, second] => format!("runs {first} and {second} have"),
        [first, second, third] => format!("runs {first}, {second} and {third} have"),
        [first, second, rest @ ..] => format!("runs {first}, {second} and {} others have", rest.len()),
        [] => "other runs have".to_owned(),
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blocked::Dependency { runs } => write!(f, "it starts once {}", awaited(runs)),
            Blocked::Concurrency { running, max_concurrent } => write!(
                f,
                "{running} of its elements run, and no more than {max_concurrent} may at once (`max_concurrent`)"
            ),
            Blocked::WorkspaceLimit { workspace, running, max_running } => write!(
                f,
                "workspace {workspace} runs {running} elements and may run {max_running}; raise it with `tidegate \
                 workspace set {workspace} --max-running {}`",
                running + 1
            ),
            Blocked::Queue { pool, ahead: 1 } => {
                write!(f, "one run is ahead of it in the queue of pool {pool}")
            }
            Blocked::Queue { pool, ahead } => {
                write!(f, "{ahead} runs are ahead of it in the queue of pool {pool}")
            }
            Blocked::Capacity { pool, need, ready: 0, .. } => {
                write!(f, "it needs {need}, and pool {pool} has no node that is ready")
            }
            Blocked::Capacity { pool, need, ready, best_free } => write!(
                f,
                "it needs {need}; of the {ready} ready nodes of pool {pool} the emptiest has {} free",
                best_free.as_deref().unwrap_or("nothing")
            ),
            Blocked::Booting { pool, nodes, for_ms } => {
                write!(f, "{nodes} nodes of pool {pool} are booting, the first for {}", Millis(*for_ms))
            }
            Blocked::PoolMax { pool, max_instances, nodes } => write!(
                f,
                "pool {pool} has {nodes} nodes and may not grow beyond max_instances = {max_instances}; \
                 raise it with `tidegate pool apply`, or wait for a node"
            ),
            Blocked::Quota { limit_of, limit, used, needed, suggestion } => write!(
                f,
                "quota of {limit_of}: one more node needs {needed} vCPU, {used} of {limit} are used; \
                 raise it with `{suggestion}`"
            ),
            Blocked::QuotaLent { limit_of, all, used, needed } => write!(
                f,
                "quota of {limit_of}: one more node needs {needed} vCPU; of the {all} that may be lent {used} are in use, \
                 and the rest is kept for others"
            ),
            Blocked::Budget { budget_of, vcpu_hours, period, resets_in_ms } => write!(
                f,
                "the budget of {budget_of} is used up: {vcpu_hours} vCPU-hours a {period}; the next {period} begins in {}",
                Millis(*resets_in_ms)
            ),
            Blocked::BootFailed { pool, error, failures, retry_in_ms } => write!(
                f,
                "pool {pool} could not get a node {failures} times in a row, at last because: {error}; \
                 next try in {}",
                Millis(*retry_in_ms)
            ),
            Blocked::Silent { pool, nodes } => {
                write!(
                    f,
                    "{nodes} nodes of pool {pool} are silent and take no new runs until they are heard again"
                )
            }
            Blocked::PoolDeleting { pool } => write!(f, "pool {pool} is being deleted"),
        }
    }
}
