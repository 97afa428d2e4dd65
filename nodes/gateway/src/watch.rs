//! Waiting until a run may have changed, without asking over and over.

use std::sync::Arc;
use std::time::Duration;
use tidegate_controller::Controller;
use tidegate_scheduler::event::{Event, What};
use tidegate_scheduler::ids::RunId;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

/// A busy run is looked at no more often than this.
const PAUSE: Duration = Duration::from_millis(10);
/// A run is looked at again after this time even if nothing was told: what silence changes is no event.
const AT_THE_LATEST: Duration = Duration::from_secs(1);

/// Tells when a run may have changed. Made before the first look, it misses nothing.
pub(crate) struct Watcher {
    events: broadcast::Receiver<Arc<Event>>,
    phases: watch::Receiver<u64>,
    run: RunId,
    last: Instant,
}

impl Watcher {
    pub(crate) fn new(controller: &Controller, run: RunId) -> Watcher {
        let events = controller.watch_events();
        Watcher { events, phases: controller.watch_phases(), run, last: Instant::now() }
    }

    /// Returns once the run may have changed; `false` once the controller is gone.
    pub(crate) async fn changed(&mut self) -> bool {
        let told = timeout(AT_THE_LATEST, self.told()).await.unwrap_or(true);
        sleep_until(self.last + PAUSE).await;
        self.last = Instant::now();
        told
    }

    async fn told(&mut self) -> bool {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Ok(event) if concerns(&event.what, self.run) => return true,
                    Ok(_) => {}
                    // What was missed may have been about it.
                    Err(RecvError::Lagged(_)) => return true,
                    Err(RecvError::Closed) => return false,
                },
                phase = self.phases.changed() => return phase.is_ok(),
            }
        }
    }
}

fn concerns(what: &What, wanted: RunId) -> bool {
    match what {
        What::Submitted { run, .. }
        | What::Canceled { run, .. }
        | What::RunEnded { run, .. }
        | What::Retried { run, .. }
        | What::PrerequisiteNotMet { run, .. }
        | What::Promoted { run, .. }
        | What::CancelRequested { run, .. } => *run == wanted,
        What::Started { slot, .. }
        | What::Ended { slot, .. }
        | What::Requeued { slot, .. }
        | What::Abandoned { slot, .. } => slot.run == wanted,
        What::Forgotten { runs } => runs.contains(&wanted),
        What::PoolApplied { .. }
        | What::PoolDeleted { .. }
        | What::WorkspaceSet { .. }
        | What::QuotaSet { .. }
        | What::Node { .. } => false,
    }
}
