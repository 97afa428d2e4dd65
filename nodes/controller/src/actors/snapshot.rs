//! Saving a snapshot, off the core's thread.

use super::core::{CoreActor, Happened};
use super::history::{Flush, HistoryActor};
use crate::disk::SnapshotStore;
use actix::Addr;
use tidegate_scheduler::consensus::SnapshotPoint;
use tidegate_scheduler::{Input, State};

/// Saves a fork; tells the core once it and history up to it are durable.
pub(crate) fn save(
    point: SnapshotPoint,
    state: State,
    store: SnapshotStore,
    history: Addr<HistoryActor>,
    core: Addr<CoreActor>,
) {
    let index = point.index;
    actix_rt::spawn(async move {
        let of = point.clone();
        let saved = actix_rt::task::spawn_blocking(move || {
            let image = state.encode();
            store.save(&of, image.as_slice())
        });
        let saved = match saved.await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(panicked) => Err(panicked.to_string()),
        };
        let flushed = match saved {
            Ok(()) => history.send(Flush(Some(index))).await.unwrap_or_else(|gone| Err(gone.to_string())),
            Err(error) => Err(error),
        };
        match flushed {
            Ok(()) => core.do_send(Happened(Input::SnapshotSaved { point })),
            // The log stays as long as it is; the next snapshot tries again.
            Err(error) => {
                tracing::warn!(%error, index, "a snapshot could not be saved");
                core.do_send(Happened(Input::SnapshotFailed));
            }
        }
    });
}
