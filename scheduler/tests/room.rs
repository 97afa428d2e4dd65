//! Three members in one thread, on a network that loses nothing: a leader without room on its disk gives way to one that
//! has some.

use std::collections::VecDeque;
use tidegate_scheduler::consensus::{PeerMessage, Restored};
use tidegate_scheduler::time::{Millis, Moment, WallMicros};
use tidegate_scheduler::{Core, Effect, Input, Limits, Loaded, Member, State};

const IDS: [u64; 3] = [1, 2, 3];

struct Group {
    cores: Vec<Core>,
    moment: Moment,
    messages: VecDeque<PeerMessage>,
    /// Terms in which somebody led.
    terms: Vec<u64>,
}

impl Group {
    /// Three members, one of which leads.
    fn new() -> Group {
        let moment = Moment { elapsed: Millis(0), wall: WallMicros(0) };
        let core = |id| {
            let member = Member { id, founders: IDS.to_vec() };
            let loaded = Loaded::of(State::founded(&IDS));
            Core::new(&member, loaded, Restored::default(), Limits::default(), moment).expect("a core")
        };
        let cores = IDS.into_iter().map(core).collect();
        let mut group = Group { cores, moment, messages: VecDeque::new(), terms: Vec::new() };
        group.pass(Millis::seconds(2));
        assert_eq!(group.terms.len(), 1, "one leads, and goes on");
        group
    }

    fn step(&mut self, id: u64, input: Input) {
        let at = (id - 1) as usize;
        self.cores[at].step(self.moment, input);
        while let Some(effect) = self.cores[at].poll_effect() {
            match effect {
                Effect::Persist(persist) => {
                    self.cores[at].step(self.moment, Input::Persisted { number: persist.number });
                }
                Effect::SendPeer { message, .. } => self.messages.push_back(*message),
                Effect::Lead { term } => self.terms.push(term),
                _ => {}
            }
        }
    }

    /// Time goes by, and whatever is said is heard.
    fn pass(&mut self, span: Millis) {
        let end = self.moment.elapsed.after(span);
        while self.moment.elapsed < end {
            self.moment.elapsed = self.moment.elapsed.after(Millis(10));
            IDS.into_iter().for_each(|id| self.step(id, Input::Wake));
            while let Some(message) = self.messages.pop_front() {
                self.step(message.to, Input::Peer { message: Box::new(message) });
            }
        }
    }

    fn leader(&self) -> u64 {
        let leads = IDS.into_iter().filter(|id| self.cores[(*id - 1) as usize].is_leading());
        let leads: Vec<u64> = leads.collect();
        assert_eq!(leads.len(), 1, "{leads:?} lead");
        leads[0]
    }

    fn fill(&mut self, id: u64, full: bool) {
        let pressure = full.then(|| "the disk is full".to_owned());
        self.step(id, Input::Storage { pressure });
    }
}

#[test]
fn a_leader_without_room_gives_way_to_one_that_has_some() {
    let mut group = Group::new();
    let first = group.leader();
    let [second, third] = [first % 3 + 1, (first + 1) % 3 + 1];
    group.fill(second, true);
    group.pass(Millis::seconds(1));
    assert_eq!(group.leader(), first, "a follower without room is no reason for an election");
    group.fill(first, true);
    group.pass(Millis::seconds(1));
    assert_eq!((group.leader(), group.terms.len()), (third, 2), "at once, to the only one with room");
    // Nobody has room: it would help nobody to give way, and all would wait for elections without end.
    group.fill(third, true);
    group.pass(Millis::seconds(60));
    assert_eq!((group.leader(), group.terms.len()), (third, 2));
    group.fill(second, false);
    group.pass(Millis::seconds(1));
    assert_eq!((group.leader(), group.terms.len()), (second, 3));
    group.fill(first, false);
    group.fill(third, false);
    group.pass(Millis::seconds(60));
    assert_eq!(group.terms.len(), 3, "who has room leads on");
}
