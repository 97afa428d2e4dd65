//! Random histories, copied at random moments while the sender goes on and the receiver crashes: afterwards
//! both tell the same, and go on telling the same.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::random::random_command;
use super::*;
use crate::history::copy::CopyPiece;
use crate::history::gone;
use crate::history::{EventFilter, RunFilter};

/// A history with how many of the world's events it was given.
struct Member {
    folder: TempDir,
    history: Option<History>,
    given: usize,
}

impl Member {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let history = Some(open(folder.path()));
        Self { folder, history, given: 0 }
    }

    fn history(&self) -> &History {
        self.history.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.history = None;
        self.history = Some(open(self.folder.path()));
    }

    /// Gives it the next events, in batches that end anywhere.
    fn apply(&mut self, events: &[Event], up_to: usize, random: &mut StdRng) {
        while self.given < up_to {
            let next = random.random_range(self.given + 1..=up_to.min(self.given + 50));
            self.history().apply(&events[self.given..next]).unwrap();
            self.given = next;
        }
    }

    /// The last entry of which it has all events.
    fn complete(&self, events: &[Event]) -> u64 {
        match (self.given.checked_sub(1).map(|last| events[last].index), events.get(self.given)) {
            (Some(last), Some(next)) if next.index == last => last - 1,
            (last, _) => last.unwrap_or(0),
        }
    }
}

/// All that can be asked.
fn answers(history: &History) -> Vec<String> {
    let mut told = Vec::new();
    let runs = history.runs(&RunFilter::default(), None, 1000).unwrap().items;
    for row in &runs {
        let run = row.run;
        told.push(format!("{row:?} {:?}", history.tags(run).unwrap()));
        told.push(format!("{:?}", history.elements(run, None, None, 1000).unwrap()));
        told.push(format!("{:?}", history.events(EventFilter::Run(run), None, 1000).unwrap()));
        for element in 0..row.submit.count {
            told.push(format!("{:?}", history.attempts(Slot { run, element }).unwrap()));
        }
    }
    for filter in [EventFilter::All, EventFilter::Node(NodeId(1))] {
        let mut cursor = None;
        loop {
            let page = history.events(filter, cursor, 1000).unwrap();
            told.push(format!("{page:?}"));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    told
}

fn compare(one: &Member, other: &Member) {
    assert_eq!(answers(one.history()), answers(other.history()));
    let rows = |member: &Member| {
        dump(member.folder.path(), &["runs", "tags", "attempts", "elements", "canceled", "events"])
    };
    assert_eq!(rows(one), rows(other));
}

/// Fills the receiver's gap from `senders`, now from one, now from another, while they go on.
fn fill(receiver: &mut Member, senders: &mut [Member], events: &[Event], random: &mut StdRng) {
    let mut pieces = 0;
    while receiver.history().is_behind() {
        let sender = &mut senders[random.random_range(0..2)];
        if random.random_ratio(1, 3) {
            let more = random.random_range(0..20);
            sender.apply(events, events.len().min(sender.given + more), random);
        }
        sender.history().mark(sender.complete(events)).unwrap();
        let full = *[1, 300, 3000, 1 << 20].get(random.random_range(0..4)).unwrap();
        let piece = match sender.history().export_up_to(&receiver.history().copy_cursor(), full) {
            Ok(piece) => CopyPiece::decode(&piece.encode()).unwrap(),
            Err(error) => {
                assert!(error.is_behind(), "{error}");
                // Senders go on, so that one is far enough in the end.
                sender.apply(events, events.len().min(sender.given + 30), random);
                continue;
            }
        };
        if random.random_ratio(1, 10) {
            continue; // lost on its way
        }
        let before = receiver.history().applied_index();
        receiver.history().import(&piece).unwrap();
        assert!(piece.is_last() || receiver.history().applied_index() == before);
        if random.random_ratio(1, 10) {
            receiver.history().import(&piece).unwrap();
        }
        if random.random_ratio(1, 8) {
            receiver.reopen();
        }
        if piece.is_last() {
            // One may end before the place that is needed; then the next one must not.
            let all = events.len();
            senders.iter_mut().for_each(|sender| sender.apply(events, all.min(sender.given + 30), random));
        }
        pieces += 1;
        assert!(pieces < 100_000);
    }
}

fn one_history(random: &mut StdRng) {
    let mut world = World::new();
    for _ in 0..random.random_range(20..250) {
        let commands =
            (0..random.random_range(1..6)).filter_map(|_| random_command(&world, random)).collect();
        world.decide(commands);
    }
    let events = &world.events;
    let mut senders = [Member::new(), Member::new()];
    let mut receiver = Member::new();
    let behind = if random.random_ratio(1, 4) { 0 } else { random.random_range(0..=events.len()) };
    receiver.apply(events, behind, random);
    for sender in &mut senders {
        sender.apply(events, random.random_range(behind..=events.len()), random);
        if random.random_ratio(1, 4) {
            gone::prune(&sender.history().writer().db, random.random_range(0..5)).unwrap();
        }
    }
    // A snapshot at some entry between.
    let needs = events[random.random_range(behind.min(events.len() - 1)..events.len())].index;
    receiver.history().set_gap(needs).unwrap();
    fill(&mut receiver, &mut senders, events, random);

    receiver.given = events.partition_point(|event| event.index <= needs);
    let all = events.len();
    for member in senders.iter_mut().chain([&mut receiver]) {
        member.apply(events, all, random);
    }
    compare(&receiver, &senders[0]);
    compare(&receiver, &senders[1]);

    // What was copied can be copied on.
    let mut next = Member::new();
    next.apply(events, random.random_range(0..=all), random);
    next.history().set_gap(events[all - 1].index).unwrap();
    let [first, _] = senders;
    fill(&mut next, &mut [receiver, first], events, random);
    next.given = all;
    let mut reference = Member::new();
    reference.apply(events, all, random);
    compare(&next, &reference);
}

#[test]
fn a_copy_tells_what_the_sender_tells() {
    let seed: u64 = std::env::var("TIDEGATE_TEST_SEED")
        .map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..6 {
        one_history(&mut random);
    }
}
