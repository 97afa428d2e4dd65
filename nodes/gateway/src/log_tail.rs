//! One of a run's two outputs from its first byte to its last: from the node while the attempt is there, from the store
//! afterwards, and on with the next attempt if there is one.

use crate::api::Problem;
use crate::app::App;
use crate::lookup::{self, Position};
use crate::past::{self, PastAttempt};
use crate::relay;
use crate::stream::blob_body;
use crate::watch::Watcher;
use actix_web::web::{self, Bytes};
use futures_util::StreamExt;
use std::time::Duration;
use tidegate_controller::{LogPiece, LogUnavailable};
use tidegate_scheduler::ids::{Fence, NodeId, Slot};
use tidegate_store::artifacts::StoredLog;
use tidegate_store::wire::LogStream;
use tokio::sync::mpsc;

/// A node that cannot be asked now is asked again this soon.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a node is asked without `follow` before the log counts as unreachable.
const TRIES: u32 = 40;

/// What comes of a log.
pub(crate) enum Printed {
    /// What follows is of this attempt.
    Attempt { stream: LogStream, fence: Fence },
    /// The next bytes.
    Bytes { stream: LogStream, bytes: Bytes },
    /// Another controller leads now, and tells on.
    Moved,
    /// It cannot go on.
    Failed(Problem),
}

/// Nobody listens any more, or it cannot go on.
enum Stop {
    Left,
    Failed(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Stop {
        Stop::Failed(problem)
    }
}

/// How a log is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    /// On with what is printed later.
    pub(crate) follow: bool,
    /// Bytes of the first attempt's log that the client has already.
    pub(crate) skip: u64,
}

/// One of a run's two outputs, on its way to a client.
pub(crate) struct LogTail {
    app: web::Data<App>,
    slot: Slot,
    stream: LogStream,
    follow: bool,
    to: mpsc::Sender<Printed>,
    watcher: Watcher,
    /// Bytes of the first attempt's log that the client has already.
    skip: u64,
    /// The attempt whose log is being told, and how much of it has been.
    told: Option<(Fence, u64)>,
    tries: u32,
}

impl LogTail {
    pub(crate) fn new(
        app: web::Data<App>,
        slot: Slot,
        stream: LogStream,
        how: How,
        to: mpsc::Sender<Printed>,
    ) -> LogTail {
        let watcher = Watcher::new(&app.controller, slot.run);
        let How { follow, skip } = how;
        LogTail { app, slot, stream, follow, skip, to, watcher, told: None, tries: 0 }
    }

    /// Tells all of it; returns once it has, once nobody listens, or once leadership moves.
    pub(crate) async fn run(self) {
        let (controller, to) = (self.app.controller.clone(), self.to.clone());
        let last = tokio::select! {
            biased;
            ended = self.tell() => match ended {
                Ok(()) | Err(Stop::Left) => return,
                Err(Stop::Failed(problem)) => Printed::Failed(problem),
            },
            () = relay::moves(&controller) => Printed::Moved,
        };
        // Nobody may be listening.
        drop(to.send(last).await);
    }

    async fn tell(mut self) -> Result<(), Stop> {
        while self.step().await? {}
        Ok(())
    }

    /// One look at where the element is, and what follows from it; `false` at the end.
    async fn step(&mut self) -> Result<bool, Stop> {
        match lookup::position(&self.app, self.slot).await? {
            Position::Placed { fence, node, .. } => {
                self.leave_behind(Some(fence)).await?;
                self.live(node, fence).await
            }
            Position::Waiting if self.follow => {
                self.leave_behind(None).await?;
                self.wait().await
            }
            Position::Waiting | Position::Over => {
                self.stored_last().await?;
                Ok(false)
            }
        }
    }

    /// Tells the rest of the attempt that was being told when it is no longer the current one.
    async fn leave_behind(&mut self, current: Option<Fence>) -> Result<(), Stop> {
        let Some((fence, _)) = self.told.filter(|(fence, _)| Some(*fence) != current) else { return Ok(()) };
        let attempts = past::attempts(&self.app, self.slot).await?;
        if let Some(attempt) = attempts.iter().find(|attempt| attempt.fence == fence) {
            self.stored(attempt).await?;
        }
        self.told = None;
        Ok(())
    }

    async fn live(&mut self, node: NodeId, fence: Fence) -> Result<bool, Stop> {
        let mut offset = self.begin(fence).await?;
        let opened = self.app.controller.read_log(node, fence, self.stream, offset, self.follow).await;
        let ended = match opened {
            Err(error) => Err(error),
            Ok(mut tail) => loop {
                let piece = tokio::select! {
                    piece = tail.next() => piece,
                    () = self.to.closed() => return Err(Stop::Left),
                };
                match piece {
                    Some(Ok(LogPiece::Data(bytes))) => {
                        offset += bytes.len() as u64;
                        self.told = Some((fence, offset));
                        self.tries = 0;
                        self.give(bytes.into()).await?;
                    }
                    Some(Ok(LogPiece::End { complete, .. })) => break Ok(complete),
                    Some(Err(error)) => break Err(error),
                    None => break Ok(false),
                }
            },
        };
        match ended {
            Ok(_) if !self.follow => Ok(false),
            // The core learns of the end a moment after the log has.
            Ok(true) => self.wait().await,
            Ok(false) => self.again(None).await,
            Err(error) => self.again(Some(error)).await,
        }
    }

    /// The log cannot be had from the node now: it may not know the attempt yet, or not any more.
    async fn again(&mut self, error: Option<LogUnavailable>) -> Result<bool, Stop> {
        self.tries += 1;
        if !self.follow && self.tries > TRIES {
            let detail = error.map_or_else(|| "the log has no end".to_owned(), |error| error.to_string());
            let problem = Problem::new(503, "log-unavailable", "The log cannot be read now", detail);
            return Err(problem.into());
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => Ok(true),
            () = self.to.closed() => Err(Stop::Left),
        }
    }

    async fn wait(&mut self) -> Result<bool, Stop> {
        tokio::select! {
            going = self.watcher.changed() => Ok(going),
            () = self.to.closed() => Err(Stop::Left),
        }
    }

    /// Tells the log of the latest attempt that is over, from where it was left.
    async fn stored_last(&mut self) -> Result<(), Stop> {
        let attempts = past::attempts(&self.app, self.slot).await?;
        let last = attempts.iter().rev().find(|attempt| attempt.artifacts.is_some());
        if let Some((fence, _)) = self.told
            && last.is_none_or(|last| last.fence != fence)
            && let Some(behind) = attempts.iter().find(|attempt| attempt.fence == fence)
        {
            self.stored(behind).await?;
        }
        match last {
            Some(last) => self.stored(last).await,
            None => Ok(()),
        }
    }

    /// Tells what the store has of an attempt's log and was not told yet.
    async fn stored(&mut self, attempt: &PastAttempt) -> Result<(), Stop> {
        let offset = self.begin(attempt.fence).await?;
        let Some(log) = attempt.log(self.stream) else { return Ok(()) };
        let from = resume_at(&log, offset);
        if from >= log.kept {
            return Ok(());
        }
        let Some((_, body)) = blob_body(&self.app, log.digest, from).await? else {
            return Err(
                crate::problem::internal(format!("blob {} of a log is not stored", log.digest)).into()
            );
        };
        let mut body = std::pin::pin!(body);
        while let Some(piece) = body.next().await {
            self.give(piece.map_err(crate::problem::internal)?).await?;
        }
        self.told = Some((attempt.fence, log.written));
        Ok(())
    }

    /// How much of an attempt's log has been told; says so when it is the first of it.
    async fn begin(&mut self, fence: Fence) -> Result<u64, Stop> {
        match self.told {
            Some((told, offset)) if told == fence => Ok(offset),
            _ => {
                let skip = std::mem::take(&mut self.skip);
                self.told = Some((fence, skip));
                self.tries = 0;
                self.send(Printed::Attempt { stream: self.stream, fence }).await?;
                Ok(skip)
            }
        }
    }

    async fn give(&self, bytes: Bytes) -> Result<(), Stop> {
        self.send(Printed::Bytes { stream: self.stream, bytes }).await
    }

    async fn send(&self, printed: Printed) -> Result<(), Stop> {
        self.to.send(printed).await.map_err(|_| Stop::Left)
    }
}

/// Where a stored log goes on after `told` bytes of the live one. A log whose middle was dropped is shorter than what
/// was written: its end is counted from its end.
fn resume_at(log: &StoredLog, told: u64) -> u64 {
    match log.kept == log.written || told == 0 {
        true => told.min(log.kept),
        false => log.kept.saturating_sub(log.written.saturating_sub(told)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_store::Digest;

    #[test]
    fn a_stored_log_goes_on_at_the_exact_byte() {
        let whole = StoredLog { digest: Digest::of(b""), kept: 100, written: 100 };
        assert_eq!([0, 40, 100, 120].map(|told| resume_at(&whole, told)), [0, 40, 100, 100]);
        // 30 bytes of 100 kept: what is left to tell is counted from the end.
        let cut = StoredLog { kept: 30, ..whole };
        assert_eq!([0, 10, 80, 95, 100].map(|told| resume_at(&cut, told)), [0, 0, 10, 25, 30]);
    }
}
