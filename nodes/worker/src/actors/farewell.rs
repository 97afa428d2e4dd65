//! Leaving: everything is stopped, what is ours is deleted, and this process ends.

use std::{sync::Arc, time::Duration};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::{sync::oneshot, time};

use super::{agent::Agent, link::HangUp};
use crate::{ExitReason, WorkerError, folder::NodeFolder, keeper::protocol::ToKeeper, threads::Threads};

/// How long the keeper may take beyond the longest grace period of what it stops.
const KEEPER: Duration = Duration::from_secs(30);

/// Leaves the node. With `keep_results`, what no controller has acknowledged stays on disk.
pub(super) fn leave(agent: &mut Agent, keep_results: bool, ctx: &mut Context<Agent>) {
    let keep_runs = keep_results && agent.attempts.undelivered() > 0;
    let patience = Duration::from_millis(agent.attempts.longest_grace().0) + KEEPER;
    let reason = if keep_results { ExitReason::NoController } else { ExitReason::Left };
    tracing::info!(?reason, "leaving: what runs is stopped");
    let gone = match &agent.orders {
        Some(_) => {
            let (told, gone) = oneshot::channel();
            agent.keeper_gone = Some(told);
            agent.order(Arc::new(ToKeeper::Shutdown));
            Some(gone)
        }
        None => {
            tracing::warn!("the keeper is not connected, and leaves by itself once nothing runs");
            None
        }
    };
    let (threads, node, link) = (agent.threads.clone(), agent.preparer.node.clone(), agent.link.clone());
    let leaving = async move {
        if let Some(gone) = gone
            && time::timeout(patience, gone).await.is_err()
        {
            tracing::error!("the keeper has not left in {patience:?}");
        }
        if link.send(HangUp).await.is_err() {
            tracing::debug!("there is no link to close");
        }
        clear(threads, node, keep_runs).await
    };
    ctx.spawn(leaving.into_actor(agent).map(move |cleared, agent, _| agent.exit(cleared.map(|()| reason))));
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
