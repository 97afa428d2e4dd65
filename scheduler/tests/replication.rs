//! What the simulator found between controllers, told as small stories: snapshots that come while something else is on
//! its way.

use std::collections::{BTreeMap, VecDeque};
use tidegate_scheduler::command::{ClientCommand, Entry};
use tidegate_scheduler::consensus::{
    EntryKind, FIRST_GROUP, LogEntry, Members, MembershipChange, PeerMessage, PeerMessageKind, Restored,
    Role, SnapshotPoint,
};
use tidegate_scheduler::ids::{ClientToken, ControllerId};
use tidegate_scheduler::time::{Millis, Moment, WallMicros};
use tidegate_scheduler::{Core, Effect, Input, Limits, Loaded, Member, State};

fn at(millis: u64) -> Moment {
    Moment { elapsed: Millis(millis), wall: WallMicros(1 + millis * 1000) }
}

/// A controller that starts on an empty disk.
fn started(id: u64, founders: &[u64], limits: &Limits) -> Core {
    let member = Member { id, founders: founders.to_vec() };
    let loaded = Loaded::of(State::founded(founders));
    Core::new(&member, loaded, Restored::default(), limits.clone(), at(0)).expect("a core")
}

/// Something that controller 1, which leads in term 3, says to controller 2.
fn said(kind: PeerMessageKind) -> PeerMessage {
    PeerMessage {
        group: FIRST_GROUP,
        kind,
        to: 2,
        from: 1,
        term: 3,
        log_term: 0,
        index: 0,
        entries: Vec::new(),
        commit: 0,
        commit_term: 0,
        snapshot: None,
        request_snapshot: 0,
        reject: false,
        reject_hint: 0,
        context: Vec::new(),
        has_room: true,
    }
}

/// Controller 2 of three, which follows controller 1.
struct Follower {
    core: Core,
    now: u64,
    unsynced: VecDeque<u64>,
    sent: Vec<PeerMessageKind>,
}

impl Follower {
    fn new() -> Follower {
        let core = started(2, &[1, 2, 3], &Limits::default());
        let mut follower = Follower { core, now: 0, unsynced: VecDeque::new(), sent: Vec::new() };
        follower.hear(said(PeerMessageKind::Heartbeat));
        follower.sync();
        follower
    }

    fn step(&mut self, input: Input) {
        self.core.step(at(self.now), input);
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Persist(persist) => self.unsynced.push_back(persist.number),
                Effect::SendPeer { message, .. } => self.sent.push(message.kind),
                _ => {}
            }
        }
    }

    fn hear(&mut self, message: PeerMessage) {
        self.step(Input::Peer { message: Box::new(message) });
    }

    /// All writes reach the disk.
    fn sync(&mut self) {
        while let Some(number) = self.unsynced.pop_front() {
            self.step(Input::Persisted { number });
        }
    }

    /// Nobody says anything for so long.
    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now += 10;
            self.step(Input::Wake);
        }
    }

    /// The leader's snapshot up to an entry has arrived, and is durable among this one's.
    fn snapshot_arrives(&mut self, index: u64) {
        let mut state = State::founded(&[1, 2, 3]);
        (1..=index).for_each(|index| state.skip(index));
        let point = SnapshotPoint { index, term: 3, members: Members::of(&[1, 2, 3]) };
        let message = PeerMessage { snapshot: Some(point), ..said(PeerMessageKind::Snapshot) };
        let loaded = Box::new(Loaded::of(state));
        self.step(Input::SnapshotArrived { message: Box::new(message), loaded });
        assert_eq!(self.core.state().applied(), index);
    }
}

/// It had panicked: raft looks for entries that a snapshot has taken the place of.
#[test]
fn nobody_stands_for_election_while_an_installed_snapshot_is_on_its_way_to_the_disk() {
    let mut follower = Follower::new();
    follower.snapshot_arrives(100);
    follower.sent.clear();
    follower.pass(5000);
    follower.hear(said(PeerMessageKind::TimeoutNow));
    follower.pass(5000);
    assert_eq!(follower.sent, []);
    // Once it is there, nobody has led for long.
    follower.sync();
    follower.pass(5000);
    assert!(follower.sent.contains(&PeerMessageKind::RequestPreVote), "{:?}", follower.sent);
}

/// They had been applied to the state that held them already.
#[test]
fn entries_that_a_change_of_membership_held_back_are_not_applied_after_a_snapshot_has_brought_them() {
    let mut follower = Follower::new();
    let change = MembershipChange { steps: vec![(4, Role::Learner)] };
    let change = rmp_serde::to_vec(&change).expect("a change");
    let nothing = Entry { now: Millis(5), wall: WallMicros(5), commands: Vec::new() };
    let nothing = rmp_serde::to_vec(&nothing).expect("an entry");
    let contents =
        [(EntryKind::Commands, Vec::new()), (EntryKind::Membership, change), (EntryKind::Commands, nothing)];
    let entries = contents.into_iter().zip(1..);
    let entries = entries.map(|((kind, data), index)| LogEntry { index, term: 3, kind, data }).collect();
    follower.hear(PeerMessage { entries, ..said(PeerMessageKind::Append) });
    follower.sync();
    assert_eq!(follower.core.state().applied(), 0, "nothing is committed");
    // All three are, and that they are is on its way to the disk: until then the change takes no effect.
    follower.hear(PeerMessage { commit: 3, ..said(PeerMessageKind::Heartbeat) });
    assert_eq!(follower.core.state().applied(), 0);
    follower.snapshot_arrives(100);
    follower.sync();
    assert_eq!(follower.core.state().applied(), 100);
    assert_eq!(follower.core.members(), &Members::of(&[1, 2, 3]), "as the snapshot has it");
}

/// Two controllers with a network that loses nothing, and disks that need no time but for snapshots.
struct Pair {
    cores: BTreeMap<u64, Core>,
    now: u64,
    /// A snapshot that the leader is writing.
    saving: Option<(SnapshotPoint, State)>,
    made: u32,
    /// One that is on its way to the other.
    stream: Option<PeerMessage>,
    saved: BTreeMap<u64, State>,
    tokens: u64,
}

impl Pair {
    fn step(&mut self, id: u64, input: Input) {
        let mut inputs = VecDeque::from([(id, input)]);
        while let Some((id, input)) = inputs.pop_front() {
            let Some(core) = self.cores.get_mut(&id) else { continue };
            core.step(at(self.now), input);
            while let Some(effect) = core.poll_effect() {
                match effect {
                    Effect::Persist(persist) => {
                        inputs.push_back((id, Input::Persisted { number: persist.number }));
                    }
                    Effect::SendPeer { to, message } => inputs.push_back((to, Input::Peer { message })),
                    Effect::SendSnapshot { message, .. } => self.stream = Some(*message),
                    Effect::Snapshot { point, state } if id == 1 => {
                        self.made += 1;
                        self.saving = Some((point, *state));
                    }
                    _ => {}
                }
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now += 10;
            [1, 2].into_iter().for_each(|id| self.step(id, Input::Wake));
        }
    }

    /// Clients ask for something, so that the log goes on; time goes by.
    fn work(&mut self) {
        for _ in 0..20 {
            self.tokens += 1;
            let id = ControllerId(1000 + self.tokens);
            let command = ClientCommand::RemoveController { id };
            self.step(1, Input::Client { token: ClientToken(self.tokens), key: None, command });
            self.pass(10);
        }
    }

    /// The leader's snapshot is durable.
    fn save(&mut self) {
        if let Some((point, state)) = self.saving.take() {
            self.saved.insert(point.index, state);
            self.step(1, Input::SnapshotSaved { point });
        }
    }

    /// It has come to the other one.
    fn carry(&mut self) {
        if let Some(message) = self.stream.take() {
            let index = message.snapshot.as_ref().map_or(0, |point| point.index);
            let loaded = Box::new(Loaded::of(self.saved[&index].fork()));
            self.step(2, Input::SnapshotArrived { message: Box::new(message), loaded });
            self.step(1, Input::SnapshotSent { to: 2, delivered: true });
        }
    }

    fn applied(&self, id: u64) -> u64 {
        self.cores[&id].state().applied()
    }
}

/// It had been made anew for ever: while it was written, the log after it went out of memory.
#[test]
fn a_snapshot_for_a_new_controller_is_not_outdated_when_it_is_made() {
    let limits = Limits {
        tail_bytes: 1,
        replicated_tail_bytes: 1,
        lagging_bytes: 1,
        entries_per_snapshot: 1_000_000,
        ..Limits::default()
    };
    let mut pair = Pair {
        cores: [(1, started(1, &[1], &limits)), (2, started(2, &[1], &limits))].into(),
        now: 0,
        saving: None,
        made: 0,
        stream: None,
        saved: BTreeMap::new(),
        tokens: 0,
    };
    pair.pass(100);
    pair.work();
    let command = ClientCommand::AddController { voter: true, replaces: None };
    pair.step(1, Input::Client { token: ClientToken(0), key: None, command });
    let votes = |pair: &Pair| pair.cores[&1].members().voters.contains(&2);
    for _ in 0..20 {
        // Work goes on while a snapshot is written, and while it is on its way.
        pair.work();
        pair.save();
        pair.work();
        pair.carry();
        if votes(&pair) {
            break;
        }
    }
    assert!(votes(&pair), "{} snapshots were made: {:?}", pair.made, pair.cores[&1].members());
    assert!(pair.made <= 2, "{} snapshots were made", pair.made);
    for _ in 0..3 {
        pair.pass(500);
        pair.save();
        pair.carry();
    }
    assert_eq!(pair.applied(2), pair.applied(1));
}
