//! Every effect to the mailbox of the one who does it; no policy.

use crate::actors::core::{CoreActor, Told};
use crate::actors::disk::{Compact, DiskActor, Write};
use crate::actors::history::{HistoryActor, Record};
use crate::actors::link::Tell;
use crate::actors::pool::Pools;
use crate::actors::snapshot;
use crate::bodies::Bodies;
use crate::disk::SnapshotStore;
use crate::fatal::{Fatal, Removed};
use crate::links::Links;
use crate::peers::Peers;
use crate::replicate::{self, Places, history::Copying};
use actix::Addr;
use std::sync::Arc;
use tidegate_scheduler::event::{Event, What};
use tidegate_scheduler::{Effect, State};
use tokio::sync::{broadcast, watch};

/// Everyone to whom effects go.
pub(crate) struct Wiring {
    pub(crate) disk: Addr<DiskActor>,
    pub(crate) history: Addr<HistoryActor>,
    pub(crate) links: Links,
    pub(crate) peers: Peers,
    pub(crate) places: Places,
    pub(crate) copying: Copying,
    pub(crate) removed: Removed,
    pub(crate) fatal: Fatal,
    pub(crate) pools: Pools,
    pub(crate) bodies: Bodies,
    pub(crate) snapshots: SnapshotStore,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) phases: watch::Sender<u64>,
    /// Who votes: blobs are stored by a majority of them.
    pub(crate) voters: watch::Sender<Vec<u64>>,
}

impl Wiring {
    /// Hands one effect on; gives back what is for a client or a reader, whom the caller knows.
    pub(crate) fn dispatch(&mut self, effect: Effect, state: &State, core: &Addr<CoreActor>) -> Option<Told> {
        match effect {
            Effect::Persist(persist) => self.disk.do_send(Write(persist)),
            Effect::SendPeer { to, message } => drop(self.peers.send(to, &message)),
            Effect::SendSnapshot { to, message } => {
                replicate::snapshots::send(to, *message, self.snapshots.clone(), &self.peers, core.clone());
            }
            Effect::Lead { term } => {
                // The entry by which the term began: what is fenced by later ones was decided in it.
                tracing::info!(term, index = state.applied(), "this controller leads");
                self.pools.lead(state);
                self.places.follow(state, &self.peers, true);
            }
            Effect::Follow => {
                tracing::info!("this controller no longer leads");
                self.pools.follow();
            }
            Effect::Members => self.places.follow(state, &self.peers, self.pools.leads()),
            Effect::Installed { index } => self.copying.needed(index),
            Effect::Removed => self.removed.report(),
            Effect::Unsupported(why) => self.fatal.report(why.to_string()),
            Effect::Readable { token } => return Some(Told::Reader(token)),
            Effect::SendWorker { node, message } => {
                if let Some(link) = self.links.actor(node) {
                    link.do_send(Tell(message));
                }
            }
            Effect::Provision { node } | Effect::Release { node } => self.pools.mark(state, node),
            Effect::Reply { token, result } => return Some(Told::Client(token, result)),
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

    /// Tells those who store blobs who votes, if that has changed.
    pub(crate) fn tell_voters(&self, voters: &[u64]) {
        self.voters.send_if_modified(|known| {
            let differs = known != voters;
            if differs {
                *known = voters.to_vec();
            }
            differs
        });
    }

    /// Tells those who show runs that a worker said how far one is.
    pub(crate) fn phase_changed(&self) {
        self.phases.send_modify(|count| *count += 1);
    }
}
