//! What the keeper says.

use std::{collections::BTreeMap, sync::Arc};

use super::{Action, Attempts, Cause, End, Ending, Fence, Moment, Stage, ToKeeper, WallMicros};
use crate::keeper::protocol::{AttemptStatus, Exit, FromKeeper, Outcome, Phase};

impl Attempts {
    /// The keeper is connected, and this is all that it has: what was lost between it and us is set right.
    pub(crate) fn on_keeper_up(&mut self, now: Moment, list: Vec<AttemptStatus>) {
        self.now = now;
        self.kept = true;
        let mut list: BTreeMap<Fence, Phase> =
            list.into_iter().map(|status| (Fence(status.fence), status.phase)).collect();
        let fences: Vec<Fence> = self.known.keys().copied().collect();
        for fence in fences {
            match list.remove(&fence) {
                Some(phase) => self.on_phase(fence, phase),
                None => self.on_unknown_to_keeper(fence),
            }
            let stopping = self.known.get(&fence).filter(|attempt| attempt.stopping.is_some());
            if let Some(attempt) = stopping
                && matches!(attempt.stage, Stage::Starting(_) | Stage::Running)
            {
                self.actions.push(Action::Order(attempt.stop_order()));
            }
        }
        self.clear_strangers(list);
    }

    /// The keeper is gone; the driver looks for it, or starts another.
    pub(crate) fn on_keeper_down(&mut self, now: Moment) {
        self.now = now;
        self.kept = false;
    }

    /// The keeper says something.
    pub(crate) fn on_keeper(&mut self, now: Moment, message: FromKeeper) {
        self.now = now;
        match message {
            FromKeeper::Started { fence, pid, started_unix_us } => {
                self.on_phase(Fence(fence), Phase::Running { pid, started_unix_us });
            }
            FromKeeper::StartFailed { fence, error } => {
                self.on_phase(Fence(fence), Phase::StartFailed { error });
            }
            FromKeeper::Exited(exit) => self.on_phase(Fence(exit.fence), Phase::Exited(exit)),
            // Asked for at the start of a connection alone, and answered to `on_keeper_up`.
            FromKeeper::Welcome { .. } | FromKeeper::Attempts { .. } => {}
        }
    }

    fn on_phase(&mut self, fence: Fence, phase: Phase) {
        let Some(attempt) = self.known.get_mut(&fence) else {
            if phase.is_over() {
                self.forget(vec![fence]);
            }
            return;
        };
        let expected = matches!(attempt.stage, Stage::Starting(_) | Stage::Recovered | Stage::Running);
        if !expected {
            return;
        }
        match phase {
            Phase::Starting => {
                if matches!(attempt.stage, Stage::Recovered) {
                    attempt.stage = Stage::Running;
                }
            }
            Phase::Running { started_unix_us, .. } => {
                if !matches!(attempt.stage, Stage::Running) {
                    attempt.enter(Stage::Running, WallMicros(started_unix_us));
                    self.tell(fence);
                }
            }
            // What a command can be blamed for was looked at before it was handed over.
            Phase::StartFailed { error } => {
                let end = End::System { reason: format!("the keeper could not start it: {error}") };
                self.finish(fence, Ending { can_be_told_again: true, ..Ending::early(end, self.now.wall) });
            }
            Phase::Exited(exit) => self.finish(fence, ending(exit)),
        }
    }

    fn on_unknown_to_keeper(&mut self, fence: Fence) {
        let Some(attempt) = self.known.get_mut(&fence) else { return };
        match &attempt.stage {
            Stage::Starting(_) if attempt.stopping.is_some() => {
                self.finish(fence, Ending::early(End::Stopped, self.now.wall));
            }
            Stage::Starting(start) => self.actions.push(Action::Order(start.clone())),
            // It was prepared by an agent before us and never started. The controller misses it in what we attach
            // with, and sends it again if it is still wanted.
            Stage::Recovered => {
                attempt.stage = Stage::Removing(None);
                self.actions.push(Action::Remove(fence));
            }
            Stage::Running => {
                let reason = "the keeper no longer knows of it: its journal is gone".to_owned();
                self.finish(fence, Ending::early(End::System { reason }, self.now.wall));
            }
            Stage::Waiting | Stage::Preparing | Stage::Finalizing | Stage::Ended(_) | Stage::Removing(_) => {}
        }
    }

    /// What the keeper has of attempts whose folders are gone: acknowledged ones, mostly.
    fn clear_strangers(&mut self, list: BTreeMap<Fence, Phase>) {
        let (over, live): (Vec<_>, Vec<_>) = list.into_iter().partition(|(_, phase)| phase.is_over());
        for (fence, _) in live {
            tracing::warn!(%fence, "the keeper runs an attempt whose folder is gone: stopping it");
            let order = ToKeeper::Stop { fence: fence.0, grace_ms: 0, cause: Cause::Stopped };
            self.actions.push(Action::Order(Arc::new(order)));
        }
        self.forget(over.into_iter().map(|(fence, _)| fence).collect());
    }
}

/// What an exit comes to.
fn ending(exit: Exit) -> Ending {
    let killed = |signal| End::Signaled { signal, out_of_memory: true };
    let end = match (exit.outcome, exit.cause) {
        (Outcome::Lost { reason }, _) => End::System { reason },
        (_, Cause::TimedOut) => End::TimedOut,
        (_, Cause::Stopped) => End::Stopped,
        (Outcome::Code(0), Cause::Natural) => End::Succeeded,
        // A shell outlives the child that was killed, and returns its signal as a code.
        (Outcome::Code(_), Cause::Natural) if exit.oom_killed => killed(libc::SIGKILL),
        (Outcome::Code(code), Cause::Natural) => End::Exited { code },
        (Outcome::Signal(signal), Cause::Natural) if exit.oom_killed => killed(signal),
        (Outcome::Signal(signal), Cause::Natural) => End::Signaled { signal, out_of_memory: false },
    };
    Ending {
        end,
        started: WallMicros(exit.started_unix_us),
        ended: WallMicros(exit.ended_unix_us),
        cpu_micros: exit.cpu_us,
        max_rss_kib: exit.max_rss_kib,
        log_cut: exit.log_truncated,
        can_be_told_again: true,
    }
}
