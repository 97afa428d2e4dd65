//! The elements of a run: an array of a million is a few numbers, and what has left the queue.
//!
//! A run that is not an array has one element. Elements leave the queue in order; those that must run again
//! come back by number. What ended is kept as two bits an element, and not at all once all ended alike.

use crate::event::Ending;
use crate::ids::Fence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often an element was tried already, and by whose fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// The program failed.
    pub user: u16,
    /// The system failed it.
    pub system: u16,
}

impl Tries {
    /// The number of the try that follows, from 1.
    pub fn next_attempt(&self) -> u32 {
        u32::from(self.user) + u32::from(self.system) + 1
    }
}

/// Where an element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementState {
    /// In the queue.
    Waiting(Tries),
    /// On a node.
    Placed(Fence),
    /// Over.
    Ended(Ending),
}

/// How many elements stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the queue.
    pub waiting: u32,
    /// On a node.
    pub placed: u32,
    /// Over, and well.
    pub completed: u32,
    /// Over, and not.
    pub failed: u32,
    /// Over because somebody ended it.
    pub canceled: u32,
}

/// All elements of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elements {
    count: u32,
    /// The first element that never left the queue.
    next: u32,
    /// Elements from here on were cancelled before they left the queue.
    cut: Option<u32>,
    returned: BTreeMap<u32, Tries>,
    placed: BTreeMap<u32, Fence>,
    ended: EndedMap,
    completed: u32,
    failed: u32,
    canceled: u32,
}

impl Elements {
    /// `count` elements, all in the queue.
    pub fn new(count: u32) -> Elements {
        Elements {
            count,
            next: 0,
            cut: None,
            returned: BTreeMap::new(),
            placed: BTreeMap::new(),
            ended: EndedMap::default(),
            completed: 0,
            failed: 0,
            canceled: 0,
        }
    }

    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many stand where.
    pub fn counts(&self) -> Counts {
        let ended = self.completed + self.failed + self.canceled;
        let placed = self.placed.len() as u32;
        Counts {
            waiting: self.count - ended - placed,
            placed,
            completed: self.completed,
            failed: self.failed,
            canceled: self.canceled,
        }
    }

    /// Whether all have ended.
    pub fn is_over(&self) -> bool {
        self.completed + self.failed + self.canceled == self.count
    }

    /// The run's last state, if all have ended: failed if any did, else cancelled if any was.
    pub fn ending(&self) -> Option<Ending> {
        self.is_over().then_some(match (self.failed, self.canceled) {
            (0, 0) => Ending::Completed,
            (0, _) => Ending::Canceled,
            _ => Ending::Failed,
        })
    }

    fn limit(&self) -> u32 {
        self.cut.unwrap_or(self.count)
    }

    /// The element that leaves the queue next.
    pub fn next_waiting(&self) -> Option<u32> {
        let returned = self.returned.keys().next().copied();
        returned.or_else(|| (self.next..self.limit()).find(|&element| self.ended.get(element).is_none()))
    }

    /// Up to `most` elements in the order in which they leave the queue.
    pub fn waiting(&self, most: usize) -> impl Iterator<Item = u32> + '_ {
        let fresh = (self.next..self.limit()).filter(|&element| self.ended.get(element).is_none());
        self.returned.keys().copied().chain(fresh).take(most)
    }

    /// Where `element` stands; `None` if there is no such element.
    pub fn state(&self, element: u32) -> Option<ElementState> {
        if element >= self.count {
            return None;
        }
        if let Some(tries) = self.returned.get(&element) {
            return Some(ElementState::Waiting(*tries));
        }
        if let Some(fence) = self.placed.get(&element) {
            return Some(ElementState::Placed(*fence));
        }
        Some(match self.ended_as(element) {
            Some(ending) => ElementState::Ended(ending),
            None => ElementState::Waiting(Tries::default()),
        })
    }

    fn ended_as(&self, element: u32) -> Option<Ending> {
        match self.count {
            n if n == self.completed => Some(Ending::Completed),
            n if n == self.failed => Some(Ending::Failed),
            n if n == self.canceled => Some(Ending::Canceled),
            _ if element >= self.limit() => Some(Ending::Canceled),
            _ => self.ended.get(element),
        }
    }

    /// The elements on nodes.
    pub fn placed(&self) -> impl Iterator<Item = (u32, Fence)> + '_ {
        self.placed.iter().map(|(element, fence)| (*element, *fence))
    }

    /// Takes a waiting element out of the queue; gives back its tries, `None` if it does not wait.
    pub fn place(&mut self, element: u32, fence: Fence) -> Option<Tries> {
        let Some(ElementState::Waiting(tries)) = self.state(element) else {
            return None;
        };
        if self.returned.remove(&element).is_none() {
            // Elements leave in order; one that is taken out of turn leaves those before it waiting.
            (self.next..element)
                .filter(|&skipped| self.ended.get(skipped).is_none() && !self.placed.contains_key(&skipped))
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|skipped| {
                    self.returned.insert(skipped, Tries::default());
                });
            self.next = self.next.max(element + 1);
        }
        self.placed.insert(element, fence);
        Some(tries)
    }

    /// Ends an element that is on a node.
    pub fn end(&mut self, element: u32, ending: Ending) {
        if self.placed.remove(&element).is_some() {
            self.count_ended(element, ending);
        }
    }

    /// Puts an element that is on a node back into the queue.
    pub fn requeue(&mut self, element: u32, tries: Tries) {
        if self.placed.remove(&element).is_some() {
            self.returned.insert(element, tries);
        }
    }

    fn count_ended(&mut self, element: u32, ending: Ending) {
        match ending {
            Ending::Completed => self.completed += 1,
            Ending::Failed => self.failed += 1,
            Ending::Canceled => self.canceled += 1,
        }
        if self.count == 1 || [self.completed, self.failed, self.canceled].contains(&self.count) {
            // All ended alike: the counts say it all, and none is left in the queue.
            self.ended = EndedMap::default();
            self.next = self.count;
            self.cut = None;
        } else {
            self.ended.set(element, Some(ending));
        }
    }

    /// Cancels what waits: one element, or all. Gives back the ranges `from..to` it touched.
    pub fn cancel_waiting(&mut self, only: Option<u32>) -> Vec<(u32, u32)> {
        if let Some(element) = only {
            let Some(ElementState::Waiting(_)) = self.state(element) else {
                return Vec::new();
            };
            self.returned.remove(&element);
            self.count_ended(element, Ending::Canceled);
            return vec![(element, element + 1)];
        }
        let mut ranges: Vec<(u32, u32)> =
            self.returned.keys().map(|element| (*element, element + 1)).collect();
        for element in std::mem::take(&mut self.returned).into_keys() {
            self.count_ended(element, Ending::Canceled);
        }
        let limit = self.limit();
        let fresh = self.fresh_ranges(limit);
        if !fresh.is_empty() {
            self.canceled += fresh.iter().map(|(from, to)| to - from).sum::<u32>();
            self.cut = Some(self.next);
        }
        ranges.extend(fresh);
        ranges
    }

    /// The elements that never left the queue and were not cancelled one by one, as ranges.
    fn fresh_ranges(&self, limit: u32) -> Vec<(u32, u32)> {
        let mut ranges = Vec::new();
        let mut from = self.next;
        for ended in self.ended.iter().filter(|element| (self.next..limit).contains(element)) {
            ranges.push((from, ended));
            from = ended + 1;
        }
        ranges.push((from, limit));
        ranges.retain(|(from, to)| from < to);
        ranges
    }

    /// Queues elements again that ended without completing: one, or all. Gives back how many.
    pub fn retry(&mut self, only: Option<u32>) -> u64 {
        if let Some(element) = only {
            return u64::from(self.retry_one(element));
        }
        if self.failed + self.canceled == 0 {
            return 0;
        }
        self.spread_endings();
        let lifted = u64::from(self.lift_cut());
        let ended: Vec<u32> = self.ended.iter().collect();
        let single = if self.count == 1 { vec![0] } else { ended };
        lifted + single.into_iter().map(|element| u64::from(self.retry_one(element))).sum::<u64>()
    }

    fn lift_cut(&mut self) -> u32 {
        let Some(cut) = self.cut.take() else { return 0 };
        let lifted = (cut..self.count).filter(|&element| self.ended.get(element).is_none()).count() as u32;
        self.canceled -= lifted;
        lifted
    }

    /// Writes the two bits of each element out again after all had ended alike.
    fn spread_endings(&mut self) {
        let all = [
            (self.completed, Ending::Completed),
            (self.failed, Ending::Failed),
            (self.canceled, Ending::Canceled),
        ];
        if let Some((_, ending)) = all.into_iter().find(|(n, _)| *n == self.count).filter(|_| self.count > 1)
        {
            let limit = self.limit();
            (0..limit).for_each(|element| self.ended.set(element, Some(ending)));
        }
    }

    fn retry_one(&mut self, element: u32) -> bool {
        let Some(ElementState::Ended(ending)) = self.state(element) else {
            return false;
        };
        if ending == Ending::Completed {
            return false;
        }
        if self.cut.is_some_and(|cut| element >= cut) {
            self.materialize_cut();
        }
        self.spread_endings();
        match ending {
            Ending::Completed => {}
            Ending::Failed => self.failed -= 1,
            Ending::Canceled => self.canceled -= 1,
        }
        self.ended.set(element, None);
        if element < self.next {
            self.returned.insert(element, Tries::default());
        }
        true
    }

    /// Turns the cut into endings of single elements, so that one of them can be queued again.
    fn materialize_cut(&mut self) {
        self.spread_endings();
        if let Some(cut) = self.cut.take() {
            (cut..self.count).for_each(|element| self.ended.set(element, Some(Ending::Canceled)));
        }
    }
}

const PER_PAGE: usize = 1024;

/// Two bits an element, in pages that forks share and that exist only where something ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct EndedMap(BTreeMap<u32, Arc<Vec<u8>>>);

impl EndedMap {
    fn get(&self, element: u32) -> Option<Ending> {
        let page = self.0.get(&(element / PER_PAGE as u32))?;
        let at = element as usize % PER_PAGE;
        match page[at / 4] >> (at % 4 * 2) & 3 {
            1 => Some(Ending::Completed),
            2 => Some(Ending::Failed),
            3 => Some(Ending::Canceled),
            _ => None,
        }
    }

    /// Every element that has ended.
    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let first = self.0.keys().map(|page| page * PER_PAGE as u32);
        first.flat_map(|first| first..first + PER_PAGE as u32).filter(|&element| self.get(element).is_some())
    }

    fn set(&mut self, element: u32, ending: Option<Ending>) {
        let bits = match ending {
            None => 0,
            Some(Ending::Completed) => 1u8,
            Some(Ending::Failed) => 2,
            Some(Ending::Canceled) => 3,
        };
        let page = self.0.entry(element / PER_PAGE as u32).or_insert_with(|| Arc::new(vec![0; PER_PAGE / 4]));
        let at = element as usize % PER_PAGE;
        let byte = &mut Arc::make_mut(page)[at / 4];
        *byte = *byte & !(3 << (at % 4 * 2)) | bits << (at % 4 * 2);
    }
}

#[cfg(test)]
mod tests;
