//! The durable log's owner, on a thread of its own: all writes that have gathered share one sync.

use super::core::{CoreActor, Happened};
use crate::disk::{DurableLog, LogError, SnapshotStore};
use crate::fatal::{Fatal, PanicGuard};
use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use std::time::Duration;
use tidegate_scheduler::Input;
use tidegate_scheduler::consensus::{HardState, Persist};
use tidegate_store::BlobStore;

/// How often a full disk is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

pub(crate) struct DiskActor {
    log: DurableLog,
    snapshots: SnapshotStore,
    blobs: BlobStore,
    core: Addr<CoreActor>,
    fatal: Fatal,
    gathered: Vec<Persist>,
    pressure: Option<String>,
    _guard: PanicGuard,
}

impl DiskActor {
    pub(crate) fn new(
        log: DurableLog,
        snapshots: SnapshotStore,
        blobs: BlobStore,
        core: Addr<CoreActor>,
        fatal: Fatal,
    ) -> Self {
        let _guard = PanicGuard(fatal.clone(), "the durable log's writer");
        DiskActor { log, snapshots, blobs, core, fatal, gathered: Vec::new(), pressure: None, _guard }
    }

    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.gathered);
        let Some(last) = batch.last().map(|persist| persist.number) else { return };
        match self.write(&batch) {
            Ok(()) => self.core.do_send(Happened(Input::Persisted { number: last })),
            Err(error) => self.fatal.report(format!("the durable log cannot be written: {error}")),
        }
        self.tell_pressure();
    }

    /// A log that begins again after another member's snapshot does so between what comes before and after.
    fn write(&mut self, batch: &[Persist]) -> Result<(), LogError> {
        let mut rest = batch;
        while let Some(at) = rest.iter().position(|persist| persist.snapshot.is_some()) {
            let (before, after) = rest.split_at(at);
            self.log.append(before)?;
            let mut begins = after[0].clone();
            if let Some(point) = begins.snapshot.take() {
                let known = begins.hard_state.unwrap_or_else(|| self.log.hard_state());
                self.log.restart_after(&point, HardState { commit: point.index, ..known })?;
            }
            self.log.append(&[begins])?;
            rest = &after[1..];
        }
        self.log.append(rest)
    }

    fn tell_pressure(&mut self) {
        // Work whose results could not be stored is not accepted, though the log has its reserve.
        let room = || self.blobs.check_room().err().map(|error| error.to_string());
        let pressure = self.log.pressure().map(|pressure| pressure.to_string()).or_else(room);
        if pressure != self.pressure {
            self.pressure = pressure.clone();
            self.core.do_send(Happened(Input::Storage { pressure }));
        }
    }
}

impl Actor for DiskActor {
    type Context = Context<DiskActor>;

    fn started(&mut self, ctx: &mut Context<DiskActor>) {
        self.tell_pressure();
        ctx.run_interval(LOOK_AGAIN, |actor, _| actor.tell_pressure());
    }
}

/// One write of the core's.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Write(pub(crate) Persist);

impl Handler<Write> for DiskActor {
    type Result = ();

    fn handle(&mut self, Write(persist): Write, ctx: &mut Context<DiskActor>) {
        self.gathered.push(persist);
        if self.gathered.len() == 1 {
            // Goes to the end of the mailbox: what stands in it now is gathered first.
            ctx.notify(Flush);
        }
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Flush> for DiskActor {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Context<DiskActor>) {
        self.flush();
    }
}

/// The log up to and with this index may go, as far as the oldest kept snapshot allows.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Compact(pub(crate) u64);

impl Handler<Compact> for DiskActor {
    type Result = ();

    fn handle(&mut self, Compact(index): Compact, _: &mut Context<DiskActor>) {
        let result = self.snapshots.compactable().map_err(|error| error.to_string()).and_then(|kept| {
            let index = kept.map_or(0, |kept| kept.min(index));
            self.log.compact_to(index).map_err(|error| error.to_string())
        });
        if let Err(error) = result {
            // Nothing is lost by a log that is longer than it need be.
            tracing::warn!(%error, "the durable log could not be compacted");
        }
    }
}
