//! Events that wait to be written to history: not without bound, however long its disk is full.

use std::sync::Arc;
use tidegate_scheduler::event::Event;

/// Events that wait to be written, in order.
#[derive(Default)]
pub(crate) struct Gathered {
    events: Vec<Arc<Event>>,
    /// The entry up to which events were not taken, because too many waited.
    left_out: Option<u64>,
}

impl Gathered {
    /// Takes one more. Where there are more than `most`, those of its entry and all later ones are left out from then on,
    /// until [`Gathered::lacks`]; tells whether it is the first of them.
    pub(crate) fn take(&mut self, event: Arc<Event>, most: usize) -> bool {
        if self.left_out.is_none() && self.events.len() < most {
            self.events.push(event);
            return false;
        }
        // An entry's events are there whole or not at all.
        while self.events.last().is_some_and(|last| last.index == event.index) {
            self.events.pop();
        }
        self.left_out.replace(event.index).is_none()
    }

    pub(crate) fn events(&self) -> &[Arc<Event>] {
        &self.events
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing waits, and nothing was left out.
    pub(crate) fn is_settled(&self) -> bool {
        self.events.is_empty() && self.left_out.is_none()
    }

    /// All that waited is written.
    pub(crate) fn written(&mut self) {
        self.events.clear();
    }

    /// Events of entries up to this one come by another way.
    pub(crate) fn forget(&mut self, upto: u64) {
        self.events.retain(|event| event.index > upto);
    }

    /// Once nothing waits: the entry up to which events are missing, if some were left out. They are the caller's to find
    /// from then on, and events are taken again.
    pub(crate) fn lacks(&mut self) -> Option<u64> {
        self.left_out.take_if(|_| self.events.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_scheduler::event::What;
    use tidegate_scheduler::ids::RunId;
    use tidegate_scheduler::time::WallMicros;

    fn event(index: u64) -> Arc<Event> {
        let what = What::Canceled { run: RunId(index), from: 0, to: 1 };
        Arc::new(Event { index, wall: WallMicros(0), what })
    }

    #[test]
    fn beyond_the_bound_whole_entries_are_left_out_until_they_are_asked_for() {
        let mut gathered = Gathered::default();
        let take = |gathered: &mut Gathered, index| gathered.take(event(index), 4);
        assert_eq!([1, 1, 2, 2].map(|index| take(&mut gathered, index)), [false; 4]);
        assert!(take(&mut gathered, 2), "that is said once");
        assert_eq!([3, 4, 9].map(|index| take(&mut gathered, index)), [false; 3]);
        let kept: Vec<u64> = gathered.events().iter().map(|event| event.index).collect();
        assert_eq!(kept, [1, 1], "those of entry 2 are found together");
        assert_eq!(gathered.lacks(), None, "first what waits is written");
        gathered.written();
        assert!(!gathered.is_settled(), "something is missing");
        assert_eq!((gathered.lacks(), gathered.lacks()), (Some(9), None));
        assert!(gathered.is_settled());
        take(&mut gathered, 10);
        gathered.forget(10);
        assert!(gathered.is_settled());
    }
}
