//! The agent's memory of its attempts, and what it does about them: values in, values out.
//!
//! Nothing here reads a clock or does I/O. Whoever drives it says what happened and when (`on_…`), then carries out
//! what [`Attempts::take`] gives, in that order.
//!
//! ```text
//! Waiting ─▶ Preparing ─▶ Starting ─▶ Running ─▶ Finalizing ─▶ Ended ─▶ Removing
//!    └───────────┴────────────┴── stopped, or failed ──▲
//! ```
//!
//! An attempt stays until the leader has acknowledged its end: each that begins to lead is told of all of them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use tidegate_scheduler::{
    command::OnDisconnect,
    ids::Fence,
    message::{Assignment, End, FromWorker, StopCause, ToWorker},
    time::{Millis, Moment, WallMicros},
};

use crate::keeper::protocol::{Cause, ToKeeper};

mod action;
mod keeper;
mod leader;
mod recover;
mod silence;
mod stage;
#[cfg(test)]
mod tests;

pub(crate) use action::{Action, Ending, Finish, Parcel, Prepared, Refusal};
pub(crate) use leader::LinkId;
pub(crate) use recover::Recovered;
pub(crate) use stage::Record;

use leader::{Claim, Leader};
use stage::{Attempt, Kept, Stage, Stopping};

/// What bounds and times the agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Names this node's folder.
    pub(crate) incarnation: u64,
    /// How many attempts are prepared at the same time.
    pub(crate) preparing_max: usize,
    /// How long without a leader until attempts stop that say so.
    pub(crate) lease: Millis,
    /// How long without a leader, and without an attempt, until the node leaves.
    pub(crate) leave_after: Millis,
}

/// All attempts of the node that were not acknowledged.
#[derive(Debug)]
pub(crate) struct Attempts {
    settings: Settings,
    now: Moment,
    known: BTreeMap<Fence, Attempt>,
    /// Those that wait to be prepared, in the order in which they came.
    waiting: VecDeque<Fence>,
    preparing: usize,
    /// Who was told what there is, and may give orders.
    leader: Leader,
    /// When a leader was last there; while there is one it says nothing.
    heard: Millis,
    /// The keeper is connected and was asked what it has.
    kept: bool,
    leaving: bool,
    /// Whose phase the controller is to be told.
    untold: BTreeSet<Fence>,
    actions: Vec<Action>,
}

impl Attempts {
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        Self {
            settings,
            now,
            known: BTreeMap::new(),
            waiting: VecDeque::new(),
            preparing: 0,
            leader: Leader::default(),
            heard: now.elapsed,
            kept: false,
            leaving: false,
            untold: BTreeSet::new(),
            actions: Vec::new(),
        }
    }

    /// What is to be done about all that happened since this was asked last.
    pub(crate) fn take(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The link on which the leader is told things, if there is one.
    pub(crate) fn leaders_link(&self) -> Option<LinkId> {
        self.leader.current()
    }

    /// A controller says on this link that it leads: it hears first what there is, then of every end that it has not
    /// acknowledged.
    fn on_attach(&mut self, link: LinkId, term: u64) {
        match self.leader.on_attach(link, term) {
            Claim::Stale { highest } => {
                return tracing::warn!(
                    link = link.0,
                    term,
                    highest,
                    "ignored: a controller asks what there is that led in an earlier term"
                );
            }
            Claim::Follow => {
                tracing::info!(link = link.0, term, "a controller leads");
                self.actions.push(Action::Follow(link));
            }
            Claim::Again => {}
        }
        self.untold.clear();
        let phase =
            |(fence, attempt): (&Fence, &Attempt)| Some((*fence, attempt.stage.phase()?, attempt.since));
        let attempts = self.known.iter().filter_map(phase).collect();
        let incarnation = self.settings.incarnation;
        self.actions.push(Action::Say(FromWorker::Attach { incarnation, attempts }));
        for (fence, attempt) in &self.known {
            match &attempt.stage {
                Stage::Ended(Kept::Memory(parcel)) => self.actions.push(Action::Deliver(parcel.clone())),
                Stage::Ended(Kept::File) => self.actions.push(Action::DeliverFile(*fence)),
                _ => {}
            }
        }
    }

    /// A link to a controller is gone; it was last there `silence` ago.
    pub(crate) fn on_lost(&mut self, now: Moment, link: LinkId, silence: Millis) {
        self.now = now;
        if self.leader.on_lost(link) {
            self.heard = Millis(now.elapsed.0.saturating_sub(silence.0));
        }
    }

    /// A controller says something. Orders are the leader's to give.
    pub(crate) fn on_controller(&mut self, now: Moment, link: LinkId, message: ToWorker) {
        self.now = now;
        if let ToWorker::Attach { term } = message {
            return self.on_attach(link, term);
        }
        if self.leader.current() != Some(link) {
            return tracing::debug!(
                link = link.0,
                ?message,
                "ignored: an order of a controller that does not lead"
            );
        }
        if self.leaving {
            return;
        }
        match message {
            ToWorker::Start(assignment) => self.on_start(assignment),
            ToWorker::Stop { fence, cause } => self.on_stop(fence, cause),
            ToWorker::Acknowledge { fence } => self.on_acknowledged(fence),
            ToWorker::Leave => self.leave(false),
            // Answered above, from anybody.
            ToWorker::Attach { .. } => {}
        }
    }

    fn on_start(&mut self, assignment: Box<Assignment>) {
        let fence = assignment.fence;
        match self.known.get_mut(&fence) {
            None => self.begin(Arc::from(assignment)),
            // An agent before us had prepared it and not started it: it begins anew, once that is cleared away.
            Some(attempt) if matches!(attempt.stage, Stage::Removing(_)) => {
                attempt.stage = Stage::Removing(Some(Arc::from(assignment)));
                attempt.stopping = None;
            }
            Some(_) => self.tell(fence),
        }
    }

    fn begin(&mut self, assignment: Arc<Assignment>) {
        let fence = assignment.fence;
        self.known.insert(fence, Attempt::new(assignment, Stage::Waiting, self.now.wall));
        self.waiting.push_back(fence);
        self.prepare_next();
    }

    fn on_stop(&mut self, fence: Fence, cause: StopCause) {
        if self.known.contains_key(&fence) {
            self.stop(fence, Stopping::Asked(cause));
        } else {
            tracing::debug!(%fence, "told to stop an attempt that is not here");
        }
    }

    fn stop(&mut self, fence: Fence, stopping: Stopping) {
        let Some(attempt) = self.known.get_mut(&fence) else { return };
        if attempt.stopping.is_some() {
            return;
        }
        attempt.stopping = Some(stopping);
        match &attempt.stage {
            Stage::Waiting => {
                self.waiting.retain(|waiting| *waiting != fence);
                self.finish(fence, Ending::early(End::Stopped, self.now.wall));
            }
            Stage::Preparing => self.actions.push(Action::CancelPreparing(fence)),
            Stage::Starting(_) | Stage::Running => {
                let order = attempt.stop_order();
                if self.kept {
                    self.actions.push(Action::Order(order));
                }
            }
            // The keeper will tell whether there is anything to stop.
            Stage::Recovered => {}
            // One that is to begin anew does so, and is stopped then.
            Stage::Finalizing | Stage::Ended(_) | Stage::Removing(_) => {}
        }
    }

    fn on_acknowledged(&mut self, fence: Fence) {
        let Some(attempt) = self.known.get_mut(&fence) else { return };
        match attempt.stage {
            Stage::Ended(_) => {
                attempt.stage = Stage::Removing(None);
                self.actions.push(Action::Remove(fence));
            }
            Stage::Removing(_) => {}
            _ => tracing::warn!(%fence, "an attempt was acknowledged that has not ended"),
        }
    }

    /// The folders of these attempts are gone: now the keeper may forget them. Not before, or a restarted agent would
    /// take an attempt for one that never ran.
    pub(crate) fn on_removed(&mut self, now: Moment, fences: &[Fence]) {
        self.now = now;
        self.forget(fences.to_vec());
        for fence in fences {
            let removed = self.known.remove(fence);
            if let Some(Attempt { stage: Stage::Removing(Some(again)), stopping, .. }) = removed {
                self.begin(again);
                if let Some(stopping) = stopping {
                    self.stop(*fence, stopping);
                }
            }
        }
    }

    /// A preparation is over, one way or the other.
    pub(crate) fn on_prepared(&mut self, now: Moment, fence: Fence, result: Result<Prepared, Refusal>) {
        self.now = now;
        self.preparing = self.preparing.saturating_sub(1);
        self.prepare_next();
        let Some(attempt) = self.known.get_mut(&fence) else { return };
        match result {
            Ok(prepared) => {
                attempt.record = Some(prepared.record);
                if attempt.stopping.is_some() {
                    return self.finish(fence, Ending::early(End::Stopped, now.wall));
                }
                attempt.enter(Stage::Starting(prepared.start.clone()), now.wall);
                if self.kept {
                    self.actions.push(Action::Order(prepared.start));
                }
                self.tell(fence);
            }
            Err(Refusal { end, record }) => {
                attempt.record = record.or(attempt.record.take());
                let end = if attempt.stopping.is_some() { End::Stopped } else { end };
                self.finish(fence, Ending::early(end, now.wall));
            }
        }
    }

    /// An attempt's outputs and logs are stored, and its report is made.
    pub(crate) fn on_finished(&mut self, now: Moment, parcel: Parcel, on_disk: bool) {
        self.now = now;
        let fence = parcel.report.fence;
        let Some(attempt) = self.known.get_mut(&fence) else { return };
        attempt.stage = Stage::Ended(match on_disk && !parcel.blobs.is_empty() {
            true => Kept::File,
            false => Kept::Memory(parcel.clone()),
        });
        if self.leader.current().is_some() {
            self.actions.push(Action::Deliver(parcel));
        }
    }

    /// Says the phases that have changed. Asked for by [`Action::TellSoon`], a moment later, so that a run that is
    /// over in a moment costs one message and not four.
    pub(crate) fn on_tell(&mut self, now: Moment) {
        self.now = now;
        for fence in std::mem::take(&mut self.untold) {
            let Some(attempt) = self.known.get(&fence).filter(|_| self.leader.current().is_some()) else {
                continue;
            };
            // An end speaks for itself.
            if !attempt.stage.is_over()
                && let Some(phase) = attempt.stage.phase()
            {
                self.actions.push(Action::Say(FromWorker::Phase { fence, phase, at: attempt.since }));
            }
        }
    }

    /// The disk has no room: what runs now may not have been able to write all that it wanted to.
    pub(crate) fn on_disk_full(&mut self) {
        for attempt in self.known.values_mut().filter(|attempt| attempt.stage.uses_disk()) {
            attempt.disk_full = true;
        }
    }

    /// Whether nothing of the attempt runs any more; `None` if it is not here, or no longer.
    pub(crate) fn is_over(&self, fence: Fence) -> Option<bool> {
        match self.known.get(&fence)?.stage {
            Stage::Removing(_) => None,
            Stage::Finalizing | Stage::Ended(_) => Some(true),
            Stage::Waiting | Stage::Preparing | Stage::Starting(_) | Stage::Recovered | Stage::Running => {
                Some(false)
            }
        }
    }

    /// How many ends no controller has acknowledged.
    pub(crate) fn undelivered(&self) -> usize {
        self.known.values().filter(|attempt| matches!(attempt.stage, Stage::Ended(_))).count()
    }

    /// The longest grace period among those that may run.
    pub(crate) fn longest_grace(&self) -> Millis {
        let live = self.known.values().filter(|attempt| attempt.stage.is_live());
        live.map(|attempt| attempt.assignment.grace).max().unwrap_or_default()
    }

    fn prepare_next(&mut self) {
        while self.preparing < self.settings.preparing_max
            && let Some(fence) = self.waiting.pop_front()
        {
            let Some(attempt) = self.known.get_mut(&fence) else { continue };
            attempt.stage = Stage::Preparing;
            self.preparing += 1;
            self.actions.push(Action::Prepare(attempt.assignment.clone()));
            self.tell(fence);
        }
    }

    fn tell(&mut self, fence: Fence) {
        if self.leader.current().is_none() {
            return;
        }
        if self.untold.is_empty() {
            self.actions.push(Action::TellSoon);
        }
        self.untold.insert(fence);
    }

    fn finish(&mut self, fence: Fence, ending: Ending) {
        let Some(attempt) = self.known.get_mut(&fence) else { return };
        attempt.enter(Stage::Finalizing, self.now.wall);
        let finish = Finish {
            assignment: attempt.assignment.clone(),
            record: attempt.record.clone(),
            ending,
            notes: attempt.notes(),
        };
        self.actions.push(Action::Finish(Box::new(finish)));
        self.tell(fence);
    }

    fn forget(&mut self, fences: Vec<Fence>) {
        if self.kept && !fences.is_empty() {
            let fences = fences.into_iter().map(|fence| fence.0).collect();
            self.actions.push(Action::Order(Arc::new(ToKeeper::Forget { fences })));
        }
    }

    fn leave(&mut self, keep_results: bool) {
        self.leaving = true;
        for (fence, attempt) in &self.known {
            if matches!(attempt.stage, Stage::Preparing) {
                self.actions.push(Action::CancelPreparing(*fence));
            }
        }
        self.actions.push(Action::Leave { keep_results });
    }
}
