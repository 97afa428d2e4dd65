//! Every effect to the mailbox of the one who does it; no policy.

use crate::actors::core::{Answer, CoreActor};
use crate::actors::disk::{Compact, DiskActor, Write};
use crate::actors::history::{HistoryActor, Record};
use crate::actors::link::Tell;
use crate::actors::pool::Pools;
use crate::actors::snapshot;
use crate::bodies::Bodies;
use crate::disk::SnapshotStore;
use crate::links::Links;
use actix::Addr;
use std::sync::Arc;
use tidegate_scheduler::event::{Event, What};
use tidegate_scheduler::ids::ClientToken;
use tidegate_scheduler::{Effect, State};
use tokio::sync::{broadcast, watch};

/// Everyone to whom effects go.
pub(crate) struct Wiring {
    pub(crate) disk: Addr<DiskActor>,
    pub(crate) history: Addr<HistoryActor>,
    pub(crate) links: Links,
    pub(crate) pools: Pools,
    pub(crate) bodies: Bodies,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) phases: watch::Sender<u64>,
}

impl Wiring {
    /// Hands one effect on; gives back an answer for a client, whom the caller knows.
    pub(crate) fn dispatch(
        &mut self,
        effect: Effect,
        state: &State,
        core: &Addr<CoreActor>,
    ) -> Option<(ClientToken, Answer)> {
        match effect {
            Effect::Persist(persist) => self.disk.do_send(Write(persist)),
            Effect::SendWorker { node, message } => {
                if let Some(link) = self.links.actor(node) {
                    link.do_send(Tell(message));
                }
            }
            Effect::Provision { node } | Effect::Release { node } => self.pools.mark(state, node),
            Effect::Reply { token, result } => return Some((token, result)),
            Effect::Record(event) => self.record(event),
            Effect::Snapshot { point, state } => {
                snapshot::save(point, *state, self.snapshots.clone(), self.history.clone(), core.clone());
            }
            Effect::Compact { index } => self.disk.do_send(Compact(index)),
        }
        None
    }

    fn record(&self, event: Box<Event>) {
        if let What::Submitted { submit, .. } = &event.what {
            self.bodies.put(submit.digest, &submit.body);
        }
        let event: Arc<Event> = Arc::from(event);
        self.history.do_send(Record(event.clone()));
        // Nobody may be listening.
        drop(self.events.send(event));
    }

    /// Tells those who show runs that a worker said how far one is.
    pub(crate) fn phase_changed(&self) {
        self.phases.send_modify(|count| *count += 1);
    }
}
