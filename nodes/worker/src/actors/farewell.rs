//! Leaving: everything is stopped, what is ours is deleted, and this process ends.

use std::{sync::Arc, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use rustix::process::{Pid, test_kill_process};
use tokio::time::{self, Instant};

use super::{agent::Agent, keeper::KeeperPlace, link::HangUp};
use crate::{
    ExitReason, WorkerError,
    folder::NodeFolder,
    keeper::{client::KeeperHandle, protocol::ToKeeper},
    threads::Threads,
};

/// How long the keeper may take beyond the longest grace period of what it stops.
const KEEPER: Duration = Duration::from_secs(30);
/// How often we look whether it is gone.
const POLL: Duration = Duration::from_millis(10);

/// Leaves the node. With `keep_results`, what no controller has acknowledged stays on disk.
pub(super) fn leave(agent: &mut Agent, keep_results: bool, ctx: &mut Context<Agent>) {
    let keep_runs = keep_results && agent.attempts.undelivered() > 0;
    let patience = Duration::from_millis(agent.attempts.longest_grace().0) + KEEPER;
    let reason = if keep_results { ExitReason::NoController } else { ExitReason::Left };
    tracing::info!(?reason, "leaving: what runs is stopped");
    agent.keeper.leaving.set(true);
    agent.order(Arc::new(ToKeeper::Shutdown));
    let told = agent.keeper_pid.filter(|_| agent.orders.is_some());
    let place = agent.keeper.clone();
    let (threads, node, link) = (agent.threads.clone(), agent.preparer.node.clone(), agent.link.clone());
    let leaving = async move {
        keeper_leaves(told, &place, patience).await;
        if link.send(HangUp).await.is_err() {
            tracing::debug!("there is no link to close");
        }
        clear(threads, node, keep_runs).await
    };
    ctx.spawn(leaving.into_actor(agent).map(move |cleared, agent, _| agent.exit(cleared.map(|()| reason))));
}

/// Waits until the keeper's process is gone: it removes what it has made, last of all. `told` is one that was told to
/// leave; without it, one that is there is told now.
async fn keeper_leaves(told: Option<u32>, place: &KeeperPlace, patience: Duration) {
    let mut connected = None;
    if told.is_none() {
        connected = KeeperHandle::connect(&place.folder).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the keeper cannot be told to leave");
            None
        });
        if let Some(keeper) = &connected
            && let Err(error) = keeper.send(&ToKeeper::Shutdown).await
        {
            tracing::error!(%error, "the keeper cannot be told to leave");
        }
    }
    let pid = told.or(connected.as_ref().map(|keeper| keeper.pid));
    let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return };
    let deadline = Instant::now() + patience;
    while test_kill_process(pid).is_ok() {
        if Instant::now() >= deadline {
            return tracing::error!(?pid, "the keeper has not left in {patience:?}");
        }
        time::sleep(POLL).await;
    }
}

async fn clear(threads: Threads, node: NodeFolder, keep_runs: bool) -> Result<(), WorkerError> {
    let what = format!("delete its folder {}", node.root().display());
    let work = move || {
        threads.close();
        node.clear(keep_runs)
    };
    let cleared = tokio::task::spawn_blocking(work).await;
    cleared.unwrap_or_else(|panicked| Err(std::io::Error::other(panicked))).map_err(WorkerError::doing(what))
}
