//! Saving a snapshot, off the core's thread.

use super::core::{CoreActor, Happened};
use super::history::{Flush, HistoryActor};
use crate::disk::SnapshotStore;
use actix::Addr;
use tidegate_scheduler::consensus::SnapshotPoint;
use tidegate_scheduler::{Input, State};

/// Saves a fork, once history up to it is durable: a start from this snapshot plays nothing again that is before it.
pub(crate) fn save(
    point: SnapshotPoint,
    state: State,
    store: SnapshotStore,
    history: Addr<HistoryActor>,
    core: Addr<CoreActor>,
) {
    let index = point.index;
    actix_rt::spawn(async move {
        let flushed = history.send(Flush(Some(index))).await.unwrap_or_else(|gone| Err(gone.to_string()));
        let saved = match flushed {
            Ok(()) => write(point.clone(), state, store).await,
            Err(error) => Err(error),
        };
        match saved {
            Ok(()) => core.do_send(Happened(Input::SnapshotSaved { point })),
            // The log stays as long as it is; the next snapshot tries again.
            Err(error) => {
                tracing::warn!(%error, index, "a snapshot could not be saved");
                core.do_send(Happened(Input::SnapshotFailed));
            }
        }
    });
}

async fn write(point: SnapshotPoint, state: State, store: SnapshotStore) -> Result<(), String> {
    let writing = actix_rt::task::spawn_blocking(move || {
        let image = state.encode();
        store.save(&point, image.as_slice())
    });
    match writing.await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panicked) => Err(panicked.to_string()),
    }
}
