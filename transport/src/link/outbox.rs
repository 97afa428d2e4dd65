//! What waits to be sent on one stream: frames end to end in one buffer, which the writer takes whole. Many small
//! frames so become one write, and a frame that finds the writer idle leaves at once.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quinn::SendStream;
use tokio::sync::Notify;

use crate::{config::QueueLimits, frame::KEEP_BYTES};

/// What became of a frame that was offered.
pub(super) enum Push {
    /// It will be sent, unless the connection is lost.
    Taken,
    /// The queue is full.
    Full,
    /// The stream has ended.
    Closed,
}

pub(super) struct Outbox {
    limits: QueueLimits,
    state: Mutex<State>,
    /// There is something to write, or an end to make.
    ready: Notify,
    /// There is room again, or the stream has ended.
    changed: Notify,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    frames: usize,
    phase: Phase,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Takes no more frames; the writer sends what is left and waits for the peer to have it.
    Finishing,
    /// All that was taken has reached the peer.
    Delivered,
    /// The connection is gone.
    Lost,
}

impl Outbox {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self { limits, state: Mutex::default(), ready: Notify::new(), changed: Notify::new() }
    }

    pub(super) fn try_push(&self, frame: &[u8]) -> Push {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Push::Closed;
        }
        if state.frames >= self.limits.frames || state.buffer.len() >= self.limits.bytes {
            return Push::Full;
        }
        let idle = state.buffer.is_empty();
        state.buffer.extend_from_slice(frame);
        state.frames += 1;
        drop(state);
        if idle {
            self.ready.notify_one();
        }
        Push::Taken
    }

    /// Waits for room; `false` when the stream has ended.
    pub(super) async fn push(&self, frame: &[u8]) -> bool {
        loop {
            // Made before the attempt, so that room made in between is not missed.
            let changed = self.changed.notified();
            match self.try_push(frame) {
                Push::Taken => return true,
                Push::Closed => return false,
                Push::Full => changed.await,
            }
        }
    }

    /// Takes no more, and waits until the peer has all. `false` when the connection was lost before.
    pub(super) async fn finish(&self) -> bool {
        {
            let mut state = self.lock();
            if state.phase == Phase::Open {
                state.phase = Phase::Finishing;
            }
        }
        self.ready.notify_one();
        self.changed.notify_waiters();
        loop {
            let changed = self.changed.notified();
            match self.lock().phase {
                Phase::Delivered => return true,
                Phase::Lost => return false,
                Phase::Open | Phase::Finishing => {}
            }
            changed.await;
        }
    }

    /// Drops what waits; senders learn that the stream has ended.
    pub(super) fn abandon(&self) {
        self.end(Phase::Lost);
    }

    /// Writes until the stream or the connection ends.
    pub(super) async fn run(&self, mut stream: SendStream, connection: &quinn::Connection) {
        tokio::select! {
            end = self.write(&mut stream) => self.end(end),
            _ = connection.closed() => self.end(Phase::Lost),
        }
    }

    async fn write(&self, stream: &mut SendStream) -> Phase {
        let mut batch = Vec::new();
        while self.take(&mut batch).await {
            if stream.write_all(&batch).await.is_err() {
                return Phase::Lost;
            }
        }
        if stream.finish().is_err() {
            return Phase::Lost;
        }
        match stream.stopped().await {
            Ok(None) => Phase::Delivered,
            Ok(Some(_)) | Err(_) => Phase::Lost,
        }
    }

    /// Exchanges `batch`, which has been written, for what waits; `false` when there is and will be nothing.
    async fn take(&self, batch: &mut Vec<u8>) -> bool {
        batch.clear();
        batch.shrink_to(KEEP_BYTES);
        loop {
            {
                let mut state = self.lock();
                if !state.buffer.is_empty() {
                    std::mem::swap(&mut state.buffer, batch);
                    state.frames = 0;
                    drop(state);
                    self.changed.notify_waiters();
                    return true;
                }
                if state.phase != Phase::Open {
                    return false;
                }
            }
            self.ready.notified().await;
        }
    }

    fn end(&self, phase: Phase) {
        {
            let mut state = self.lock();
            if state.phase != Phase::Delivered {
                state.phase = phase;
            }
            state.buffer = Vec::new();
            state.frames = 0;
        }
        self.ready.notify_one();
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_makes_senders_wait_until_the_writer_takes_it() {
        let outbox = Outbox::new(QueueLimits { frames: 2, bytes: 100 });
        assert!(outbox.push(b"a").await && outbox.push(b"b").await);
        assert!(matches!(outbox.try_push(b"c"), Push::Full));
        let mut batch = Vec::new();
        let (sent, _) = tokio::join!(outbox.push(b"c"), outbox.take(&mut batch));
        assert!(sent);
        assert_eq!(batch, b"ab");
        assert!(outbox.take(&mut batch).await);
        assert_eq!(batch, b"c");
    }

    #[tokio::test]
    async fn bytes_are_bounded_too() {
        let outbox = Outbox::new(QueueLimits { frames: 1000, bytes: 10 });
        assert!(matches!(outbox.try_push(&[0; 9]), Push::Taken));
        assert!(matches!(outbox.try_push(&[0; 500]), Push::Taken), "one frame of any legal size fits");
        assert!(matches!(outbox.try_push(&[0; 1]), Push::Full));
    }

    #[tokio::test]
    async fn a_waiting_sender_learns_that_the_stream_is_lost() {
        let outbox = Outbox::new(QueueLimits { frames: 1, bytes: 100 });
        assert!(outbox.push(b"a").await);
        let (sent, ()) = tokio::join!(outbox.push(b"b"), async { outbox.abandon() });
        assert!(!sent);
        assert!(matches!(outbox.try_push(b"c"), Push::Closed));
        assert!(!outbox.finish().await);
    }
}
