//! What the agent orders, carried out; and what becomes due.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use super::{
    Keeper,
    deadlines::{Due, after},
    journal::Record,
    protocol::{ATTEMPTS_PER_FRAME, AttemptStatus, Cause, FromKeeper, StartRequest, ToKeeper},
    run::{Run, Stop},
    slot,
};

/// Carries out one order.
pub(super) fn carry_out(keeper: &Arc<Keeper>, order: ToKeeper) {
    match order {
        ToKeeper::Hello { .. } => tracing::debug!("the agent says hello twice"),
        ToKeeper::Start(request) => start(keeper, request),
        ToKeeper::Stop { fence, grace_ms, cause } => order_stop(keeper, fence, grace_ms, cause),
        ToKeeper::Forget { fences } => forget(keeper, fences),
        ToKeeper::List => list(keeper),
        ToKeeper::Shutdown => keeper.leave(),
    }
}

fn start(keeper: &Arc<Keeper>, request: StartRequest) {
    let fence = request.fence;
    let mut ledger = keeper.ledger();
    if let Some(known) = ledger.status(fence) {
        drop(ledger);
        keeper.link.send(known.into_message());
        return;
    }
    let refusal = if keeper.is_leaving() {
        Some("the keeper is leaving and starts nothing more".to_owned())
    } else {
        let written = ledger.write(&Record::Intent { fence });
        written
            .err()
            .map(|error| format!("the keeper's journal cannot be written; is the disk full? {error}"))
    };
    if let Some(error) = refusal {
        drop(ledger);
        keeper.link.send([FromKeeper::StartFailed { fence, error }]);
        return;
    }
    let run = Arc::new(Run::new(request));
    keeper.live().insert(fence, run.clone());
    drop(ledger);
    if keeper.dozing.swap(false, Ordering::SeqCst) {
        keeper.wake();
    }
    if let Err(error) = keeper.slots.give(keeper, run.clone()) {
        slot::finish(keeper, &run, Err(format!("no slot can be made for it: {error}")), None);
    }
}

fn order_stop(keeper: &Arc<Keeper>, fence: u64, grace_ms: u64, cause: Cause) {
    let run = keeper.live().get(&fence).cloned();
    match run {
        Some(run) => stop(keeper, &run, grace_ms, cause),
        // It may have ended while the order was under way: say so once more.
        None => match keeper.ledger().status(fence) {
            Some(status) => keeper.link.send(status.into_message()),
            None => tracing::warn!(fence, "told to stop an attempt that is not known here"),
        },
    }
}

/// Begins to stop a run, or lets a stop under way end sooner.
pub(super) fn stop(keeper: &Keeper, run: &Run, grace_ms: u64, cause: Cause) {
    let fence = run.request.fence;
    let kill_at = after(grace_ms);
    let mut control = run.control();
    let earlier = control.stop;
    let signalled = match earlier {
        Some(stop) if stop.kill_at <= kill_at => return,
        Some(_) => Ok(()),
        None => control.terminate(),
    };
    let cause = match cause {
        Cause::Natural => Cause::Stopped,
        cause => cause,
    };
    let cause = earlier.map_or(cause, |stop| stop.cause);
    control.stop = Some(Stop { cause, kill_at });
    if let Some(stop) = earlier {
        keeper.deadlines.cancel(stop.kill_at, fence, Due::Kill);
    }
    keeper.deadlines.arm(kill_at, fence, Due::Kill);
    log_failure(fence, "cannot be asked to end", signalled);
}

/// Does what is due, for ever.
pub(super) fn watch_deadlines(keeper: &Arc<Keeper>) -> ! {
    loop {
        let (fence, due) = keeper.deadlines.next();
        let run = keeper.live().get(&fence).cloned();
        let Some(run) = run else {
            continue;
        };
        match due {
            Due::Timeout => stop(keeper, &run, run.request.grace_ms, Cause::TimedOut),
            Due::Kill => log_failure(fence, "cannot be killed", run.kill()),
        }
    }
}

fn log_failure(fence: u64, what: &str, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(fence, %error, "a run {what}");
    }
}

fn forget(keeper: &Keeper, fences: Vec<u64>) {
    if fences.is_empty() {
        return;
    }
    if let Err(error) = keeper.ledger().write(&Record::Forgotten { fences }) {
        // They stay listed, and the agent will say it again.
        tracing::error!(%error, "the keeper's journal cannot be written; is the disk full?");
    }
}

fn list(keeper: &Keeper) {
    let mut rest = keeper.ledger().statuses();
    loop {
        let after: Vec<AttemptStatus> = rest.split_off(rest.len().min(ATTEMPTS_PER_FRAME));
        let last = after.is_empty();
        keeper.link.send([FromKeeper::Attempts { attempts: rest, last }]);
        if last {
            return;
        }
        rest = after;
    }
}
