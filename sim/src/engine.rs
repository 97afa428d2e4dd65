//! The event loop: a clock that jumps from event to event. It knows nothing of networks, disks and replicas.

use crate::clock::Micros;
use crate::queue::Queue;

/// Virtual time, and what is still to happen in it.
#[derive(Debug)]
pub struct Engine<E> {
    now: Micros,
    queue: Queue<E>,
    happened: u64,
}

impl<E> Default for Engine<E> {
    fn default() -> Self {
        Engine { now: Micros(0), queue: Queue::default(), happened: 0 }
    }
}

impl<E> Engine<E> {
    /// The time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// How many events have happened.
    pub fn happened(&self) -> u64 {
        self.happened
    }

    /// Lets an event happen at a moment; one that has passed is now.
    pub fn at(&mut self, at: Micros, event: E) {
        self.queue.push(at.max(self.now), event);
    }

    /// Lets an event happen after a span.
    pub fn after(&mut self, span: Micros, event: E) {
        self.queue.push(self.now.after(span), event);
    }

    /// The next event up to and with `end`, with the clock moved on to it; without one the clock moves to `end`.
    pub fn next(&mut self, end: Micros) -> Option<E> {
        if self.queue.next_at().is_none_or(|at| at > end) {
            self.now = self.now.max(end);
            return None;
        }
        let (at, event) = self.queue.pop()?;
        self.now = at;
        self.happened += 1;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_jumps_from_event_to_event() {
        let mut engine = Engine::default();
        engine.after(Micros(10), "first");
        engine.at(Micros(30), "third");
        engine.after(Micros(20), "second");
        assert_eq!((engine.next(Micros(25)), engine.now()), (Some("first"), Micros(10)));
        assert_eq!((engine.next(Micros(25)), engine.now()), (Some("second"), Micros(20)));
        assert_eq!((engine.next(Micros(25)), engine.now()), (None, Micros(25)));
        engine.at(Micros(7), "late");
        assert_eq!((engine.next(Micros(100)), engine.now()), (Some("late"), Micros(25)));
        assert_eq!((engine.next(Micros(100)), engine.now()), (Some("third"), Micros(30)));
        assert_eq!(engine.happened(), 4);
    }
}
