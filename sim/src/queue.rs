//! What is still to happen, ordered by (time, sequence): of two things at one moment, the first said is first.

use crate::clock::Micros;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The queue. What is ordered is small: the events themselves stay where they are.
#[derive(Debug)]
pub struct Queue<E> {
    order: BinaryHeap<Reverse<(Micros, u64, usize)>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    sequence: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue { order: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), sequence: 0 }
    }
}

impl<E> Queue<E> {
    /// Puts an event at a moment.
    pub fn push(&mut self, at: Micros, event: E) {
        self.sequence += 1;
        let place = match self.free.pop() {
            Some(place) => {
                self.events[place] = Some(event);
                place
            }
            None => {
                self.events.push(Some(event));
                self.events.len() - 1
            }
        };
        self.order.push(Reverse((at, self.sequence, place)));
    }

    /// The moment of the next one.
    pub fn next_at(&self) -> Option<Micros> {
        self.order.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Takes the next one out.
    pub fn pop(&mut self) -> Option<(Micros, E)> {
        let Reverse((at, _, place)) = self.order.pop()?;
        self.free.push(place);
        self.events[place].take().map(|event| (at, event))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_and_then_in_the_order_said() {
        let mut queue = Queue::default();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (3, 'b'), (5, 'e')] {
            queue.push(Micros(at), event);
        }
        assert_eq!(queue.next_at(), Some(Micros(1)));
        let order: String = std::iter::from_fn(|| queue.pop()).map(|(_, event)| event).collect();
        assert_eq!(order, "abcde");
    }
}
