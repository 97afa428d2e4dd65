//! Run history's writer, on a thread of its own: all events that have gathered share one transaction.

use super::gathered::Gathered;
use crate::fatal::Fatal;
use crate::replicate::blobs::ReplicatedBlobs;
use crate::replicate::history::{copy, fetch_missing};
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture};
use std::sync::Arc;
use std::time::Duration;
use tidegate_scheduler::event::Event;
use tidegate_store::History;

/// How often blobs are looked through for those that no run refers to.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// How long such a blob stays: it may belong to a submission, or to results, that are on their way.
const SWEEP_AFTER: Duration = Duration::from_secs(24 * 3600);

/// How long after the start blobs are fetched that came about while this controller was away.
const CATCH_UP_AFTER: Duration = Duration::from_secs(10);

/// How long events gather before they are written; whoever reads settles them at once. It keeps history's own
/// syncs off the disk while the log syncs the placement that follows a submission.
const GATHER: Duration = Duration::from_millis(20);
/// How many events do not wait.
const GATHERED: usize = 2048;
/// How many events are kept while what comes before them is copied, or while the disk is full; beyond, they are found
/// again: copied too, or read from the log by the next start.
const KEPT: usize = 200_000;
/// How often a full disk is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

pub(crate) struct HistoryActor {
    history: History,
    fatal: Fatal,
    blobs: ReplicatedBlobs,
    /// There is nobody to copy from.
    alone: bool,
    gathered: Gathered,
    /// What is missing is being copied from another controller.
    copying: bool,
    /// The disk is full: what has gathered waits for room, and no new work is accepted meanwhile.
    stalled: bool,
}

impl HistoryActor {
    pub(crate) fn new(history: History, fatal: Fatal, blobs: ReplicatedBlobs, alone: bool) -> HistoryActor {
        HistoryActor {
            history,
            fatal,
            blobs,
            alone,
            gathered: Gathered::default(),
            copying: false,
            stalled: false,
        }
    }

    /// Events up to `index` are missing, unless history holds them already.
    fn need(&mut self, index: u64, ctx: &mut Context<HistoryActor>) {
        self.gathered.forget(index);
        match self.history.set_gap(index) {
            Ok(true) if self.has_nobody() => {
                tracing::error!(
                    index,
                    "run history lacks what happened up to this entry, and nobody else has it"
                );
                if let Err(error) = self.history.accept_loss(index) {
                    self.fatal.report(format!("run history cannot be written: {error}"));
                }
            }
            Ok(true) if !self.copying => {
                self.copying = true;
                let copying = copy(self.history.clone(), self.blobs.peers().clone());
                ctx.spawn(copying.into_actor(self).map(|(), actor, ctx| {
                    actor.copying = false;
                    match actor.history.gap() {
                        // More was needed while it was being copied.
                        Some(needs) => actor.need(needs, ctx),
                        None => actor.write(),
                    }
                    actix_rt::spawn(fetch_missing(actor.history.clone(), actor.blobs.clone()));
                }));
            }
            Ok(_) => {}
            Err(error) => self.fatal.report(format!("run history cannot be written: {error}")),
        }
    }

    fn write(&mut self) {
        if self.gathered.events().is_empty() || self.copying {
            return;
        }
        match self.history.apply(self.gathered.events()) {
            Ok(()) => {
                self.gathered.written();
                if std::mem::take(&mut self.stalled) {
                    tracing::info!("run history is written again");
                }
            }
            Err(error) if error.is_disk_full() => {
                if !std::mem::replace(&mut self.stalled, true) {
                    tracing::warn!(%error, "run history waits for room on the disk");
                }
            }
            // Not a loss: the log holds it all, and a restart writes it again. But what people see would be stale.
            Err(error) => self.fatal.report(format!("run history cannot be written: {error}")),
        }
    }

    /// Whether there is nobody to copy from.
    fn has_nobody(&self) -> bool {
        self.alone && self.blobs.peers().ids().is_empty()
    }

    /// Writes what waits for room, and then finds what was left out meanwhile.
    fn try_again(&mut self, ctx: &mut Context<HistoryActor>) {
        self.write();
        let Some(index) = self.gathered.lacks() else { return };
        match self.has_nobody() {
            false => self.need(index, ctx),
            true => self.fatal.report(
                "run history has room again, and lacks what happened after it had held too much back: start the \
                 controller again, which reads that from the log. Nothing is lost"
                    .to_owned(),
            ),
        }
    }

    /// Takes one more event, as long as those that wait are not too many.
    fn take(&mut self, event: Arc<Event>) {
        let most = if self.stalled { KEPT } else { usize::MAX };
        if self.gathered.take(event, most) {
            tracing::error!(
                waiting = self.gathered.len(),
                "too much waits for room on the disk: run history takes nothing more until there is some, and then finds \
                 what it lacks"
            );
        }
    }
}

impl Actor for HistoryActor {
    type Context = Context<HistoryActor>;

    fn started(&mut self, ctx: &mut Context<HistoryActor>) {
        ctx.set_mailbox_capacity(1 << 16);
        ctx.run_interval(TRY_AGAIN, |actor, ctx| {
            if actor.stalled || !actor.gathered.is_settled() {
                actor.try_again(ctx);
            }
        });
        let catch_up = |actor: &mut HistoryActor, _: &mut Context<HistoryActor>| {
            actix_rt::spawn(fetch_missing(actor.history.clone(), actor.blobs.clone()));
        };
        ctx.run_later(CATCH_UP_AFTER, catch_up);
        ctx.run_interval(SWEEP_EVERY, catch_up);
        ctx.run_interval(SWEEP_EVERY, |actor, _| {
            let history = actor.history.clone();
            actix_rt::task::spawn_blocking(move || match history.sweep_blobs(SWEEP_AFTER) {
                Ok(removed) => tracing::info!(?removed, "blobs that no run refers to were removed"),
                Err(error) => tracing::warn!(%error, "blobs that no run refers to could not be removed"),
            });
        });
    }
}

/// One event.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Record(pub(crate) Arc<Event>);

impl Handler<Record> for HistoryActor {
    type Result = ();

    fn handle(&mut self, Record(event): Record, ctx: &mut Context<HistoryActor>) {
        let index = event.index;
        self.take(event);
        if self.copying && self.gathered.len() > KEPT {
            return self.need(index - 1, ctx);
        }
        if self.stalled || self.copying {
            return;
        }
        if self.gathered.len() == 1 {
            ctx.run_later(GATHER, |actor, _| actor.write());
        } else if self.gathered.len() >= GATHERED {
            self.write();
        }
    }
}

/// Answers once all that was recorded before is written; `false` when it cannot be now.
#[derive(Message)]
#[rtype(result = "bool")]
pub(crate) struct Settle;

impl Handler<Settle> for HistoryActor {
    type Result = bool;

    fn handle(&mut self, _: Settle, _: &mut Context<HistoryActor>) -> bool {
        self.write();
        self.gathered.is_settled()
    }
}

/// A snapshot took the state's place: events up to this index did not come by, and must be copied.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct CopyNeeded(pub(crate) u64);

impl Handler<CopyNeeded> for HistoryActor {
    type Result = ();

    fn handle(&mut self, CopyNeeded(index): CopyNeeded, ctx: &mut Context<HistoryActor>) {
        self.need(index, ctx);
    }
}

/// Answers once all that was recorded before is durable, which is all up to this index.
#[derive(Message)]
#[rtype(result = "Result<(), String>")]
pub(crate) struct Flush(pub(crate) Option<u64>);

impl Handler<Flush> for HistoryActor {
    type Result = Result<(), String>;

    fn handle(&mut self, Flush(index): Flush, _: &mut Context<HistoryActor>) -> Result<(), String> {
        self.write();
        if !self.gathered.is_settled() {
            return Err(format!("{} events wait to be written", self.gathered.len()));
        }
        if let Some(index) = index {
            self.history.mark(index).map_err(|error| error.to_string())?;
        }
        self.history.flush().map_err(|error| error.to_string())
    }
}
