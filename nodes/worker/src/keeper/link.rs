//! The connection to the agent: one at a time, a new one in the place of the old.
//!
//! There is no writing thread: whoever has something to say writes it, with all that others have added meanwhile, so
//! that frames go out in batches under load and at once otherwise. Nobody ever waits for a slow agent but a thread
//! made for that moment.

use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{SendFlags, send},
};
use tidegate_transport::frame;

use super::protocol::{FRAME_MAX_BYTES, FromKeeper};

/// An agent that leaves so much unread is cut off; it finds out what it missed when it comes back.
const UNREAD_MAX_BYTES: usize = 32 << 20;
/// An agent that reads nothing for so long is cut off, too.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

/// The way out to the agent.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Held while an order is carried out, and while an agent takes the place of another. Before `out`.
    turn: Mutex<()>,
    out: Mutex<Out>,
}

#[derive(Debug, Default)]
struct Out {
    agent: Option<Arc<UnixStream>>,
    /// The number of the last agent that was talked to.
    number: u64,
    /// Frames to be written, whole ones but for the first.
    buffer: Vec<u8>,
    /// Given back by the last writer, to be used again.
    spare: Vec<u8>,
    /// Someone is writing, and will write what is added meanwhile.
    writing: bool,
}

impl Link {
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries out an order of this agent, unless we no longer talk to it: what it had said when another took its place
    /// is void, or the new one would see runs begin that were not there when it asked. Says whether it was carried out.
    pub(super) fn obey(&self, agent: &Arc<UnixStream>, carry_out: impl FnOnce()) -> bool {
        let _turn = self.turn();
        let current = self.out().is_current(agent);
        if current {
            carry_out();
        }
        current
    }

    /// Talks to this agent from now on, with this as the first word, and hangs up on the one before. Not if one that came
    /// later is known already (`number` rises with each that comes): this one has died meanwhile, or is about to.
    pub(super) fn replace(
        self: &Arc<Self>,
        agent: Arc<UnixStream>,
        number: u64,
        welcome: FromKeeper,
    ) -> bool {
        let _turn = self.turn();
        let mut out = self.out();
        if number < out.number {
            return false;
        }
        out.hang_up();
        out.agent = Some(agent);
        out.number = number;
        out.add([welcome]);
        self.write_unless_another_does(out);
        true
    }

    /// This agent has gone.
    pub(super) fn gone(&self, agent: &Arc<UnixStream>) {
        let mut out = self.out();
        if out.is_current(agent) {
            out.hang_up();
        }
    }

    /// Whether an agent is there.
    pub(super) fn has_agent(&self) -> bool {
        self.out().agent.is_some()
    }

    /// Tells the agent, if there is one. Without one nothing is lost: it asks when it comes back.
    pub(super) fn send(self: &Arc<Self>, messages: impl IntoIterator<Item = FromKeeper>) {
        let mut out = self.out();
        if out.agent.is_none() {
            return;
        }
        out.add(messages);
        if out.buffer.len() > UNREAD_MAX_BYTES {
            tracing::warn!("the agent does not read: hanging up on it");
            out.hang_up();
        }
        self.write_unless_another_does(out);
    }

    fn write_unless_another_does<'a>(self: &'a Arc<Self>, out: MutexGuard<'a, Out>) {
        if !out.writing {
            self.write(out);
        }
    }

    /// Writes until nothing is left, or the agent's side is full: then a thread goes on.
    fn write<'a>(self: &'a Arc<Self>, mut out: MutexGuard<'a, Out>) {
        out.writing = true;
        while let Some((agent, mut bytes)) = out.take() {
            drop(out);
            let sent = send(&*agent, &bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            out = self.out();
            if !out.is_current(&agent) {
                continue;
            }
            match sent {
                Ok(count) if count == bytes.len() => {
                    bytes.clear();
                    out.spare = bytes;
                }
                Ok(count) => out.put_back(bytes.split_off(count)),
                Err(rustix::io::Errno::INTR) => out.put_back(bytes),
                Err(rustix::io::Errno::AGAIN) => {
                    out.put_back(bytes);
                    drop(out);
                    return self.write_when_there_is_room(agent);
                }
                // The reader of this connection notices as well, and says so.
                Err(_) => out.hang_up(),
            }
        }
        out.writing = false;
    }

    fn write_when_there_is_room(self: &Arc<Self>, agent: Arc<UnixStream>) {
        let link = self.clone();
        let patient = move || {
            let room = wait_for_room(&agent);
            let mut out = link.out();
            if !matches!(room, Ok(true)) && out.is_current(&agent) {
                tracing::warn!("the agent has read nothing for a minute: hanging up on it");
                out.hang_up();
            }
            link.write(out);
        };
        if let Err(error) = thread::Builder::new().name("keeper-write".to_owned()).spawn(patient) {
            tracing::warn!(%error, "no thread to wait for the agent: hanging up on it");
            let mut out = self.out();
            out.hang_up();
            out.writing = false;
        }
    }
}

fn wait_for_room(agent: &UnixStream) -> io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(agent.as_fd(), PollFlags::OUT)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut fds, Some(&PATIENCE)))?;
    Ok(ready > 0)
}

impl Out {
    fn is_current(&self, agent: &Arc<UnixStream>) -> bool {
        self.agent.as_ref().is_some_and(|current| Arc::ptr_eq(current, agent))
    }

    fn add(&mut self, messages: impl IntoIterator<Item = FromKeeper>) {
        for message in messages {
            if let Err(error) = frame::encode_into(&mut self.buffer, &message, FRAME_MAX_BYTES) {
                tracing::error!(%error, "a message to the agent cannot be encoded");
            }
        }
    }

    fn take(&mut self) -> Option<(Arc<UnixStream>, Vec<u8>)> {
        let agent = self.agent.clone().filter(|_| !self.buffer.is_empty())?;
        let spare = std::mem::take(&mut self.spare);
        Some((agent, std::mem::replace(&mut self.buffer, spare)))
    }

    /// Puts what was not written before what has been added.
    fn put_back(&mut self, mut rest: Vec<u8>) {
        rest.append(&mut self.buffer);
        self.buffer = rest;
    }

    fn hang_up(&mut self) {
        if let Some(agent) = self.agent.take() {
            // It may have hung up first, which is all the same.
            let _ = agent.shutdown(std::net::Shutdown::Both);
        }
        self.buffer = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_an_agent_left_behind_are_void_once_another_is_there() {
        let link = Arc::new(Link::default());
        let word = || FromKeeper::Attempts { attempts: vec![], last: true };
        let pairs = [(); 3].map(|()| UnixStream::pair().unwrap());
        let [first, late, second] = pairs.each_ref().map(|(end, _)| Arc::new(end.try_clone().unwrap()));
        let mut done = Vec::new();
        assert!(!link.obey(&first, || done.push("before its hello")));
        assert!(link.replace(first.clone(), 1, word()));
        assert!(link.obey(&first, || done.push("first")));
        assert!(link.replace(second.clone(), 3, word()));
        assert!(!link.replace(late, 2, word()), "its hello is read late");
        assert!(!link.obey(&first, || done.push("left behind")));
        assert!(link.obey(&second, || done.push("second")));
        link.gone(&first);
        assert!(link.obey(&second, || done.push("still there")));
        link.gone(&second);
        assert!(!link.obey(&second, || done.push("after its end")));
        assert_eq!(done, ["first", "second", "still there"]);
    }
}
