//! The machine version: raised once every controller supports more; who does not support it stops by name.

use tidegate_scheduler::command::{ClientCommand, Command, Entry, Observation, PlanCommand};
use tidegate_scheduler::consensus::{ConsensusError, LogEntry, Restored};
use tidegate_scheduler::controllers::ControllerCard;
use tidegate_scheduler::ids::ControllerId;
use tidegate_scheduler::plan::version::next;
use tidegate_scheduler::time::{Millis, Moment, WallMicros};
use tidegate_scheduler::version::{FIRST, Unsupported};
use tidegate_scheduler::{Core, Effect, Input, Limits, Loaded, Member, State};

fn card(supports: u32) -> ControllerCard {
    ControllerCard { address: "10.0.0.1:7400".into(), http: String::new(), supports }
}

fn apply(state: &mut State, command: Command) {
    let entry = Entry { now: Millis(0), wall: WallMicros(0), commands: vec![command] };
    state.apply(state.applied() + 1, &entry);
}

fn says(state: &mut State, id: u64, supports: u32) {
    let seen = Observation::ControllerSeen { id: ControllerId(id), card: card(supports) };
    apply(state, Command::Observed(seen));
}

#[test]
fn it_is_raised_once_all_support_more_and_never_back() {
    let mut state = State::founded(&[1, 2, 3]);
    assert_eq!((state.version(), next(&state, 9)), (FIRST, None), "nobody has said anything");
    says(&mut state, 1, 3);
    says(&mut state, 2, 2);
    assert_eq!(next(&state, 3), None, "one has not said anything");
    let raise = |to| Command::Plan(PlanCommand::RaiseVersion { to });
    apply(&mut state, raise(2));
    assert_eq!((state.version(), state.refused()), (FIRST, 1), "checked again when it is applied");
    says(&mut state, 3, 3);
    assert_eq!((next(&state, 3), next(&state, 1)), (Some(2), None), "what all support, and the leader too");
    apply(&mut state, raise(2));
    assert_eq!((state.version(), next(&state, 3)), (2, None));
    apply(&mut state, raise(2));
    apply(&mut state, raise(1));
    assert_eq!((state.version(), state.refused()), (2, 3));
    apply(
        &mut state,
        Command::Client { key: None, command: ClientCommand::AddController { voter: true, replaces: None } },
    );
    says(&mut state, 2, 3);
    assert_eq!(next(&state, 3), None, "one that joins has to say it first");
}

const MOMENT: Moment = Moment { elapsed: Millis(0), wall: WallMicros(1) };

/// A lone member, with all that it wrote so far and what else it said.
struct Alone {
    core: Core,
    written: Vec<LogEntry>,
    told: Vec<Effect>,
}

impl Alone {
    fn start(supports: u32, entries: Vec<LogEntry>) -> Alone {
        let member = Member { id: 1, founders: vec![1] };
        let limits = Limits { machine_version: supports, ..Limits::default() };
        let restored = Restored { entries: entries.clone(), ..Restored::default() };
        let loaded = Loaded::of(State::founded(&[1]));
        let core = Core::new(&member, loaded, restored, limits, MOMENT).expect("it starts");
        let mut alone = Alone { core, written: entries, told: Vec::new() };
        alone.follow();
        alone
    }

    fn step(&mut self, input: Input) {
        self.core.step(MOMENT, input);
        self.follow();
    }

    fn follow(&mut self) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Persist(persist) => {
                    self.written.extend(persist.entries);
                    self.core.step(MOMENT, Input::Persisted { number: persist.number });
                }
                effect => self.told.push(effect),
            }
        }
    }

    fn unsupported(&self) -> Option<Unsupported> {
        self.told.iter().find_map(|effect| match effect {
            Effect::Unsupported(why) => Some(*why),
            _ => None,
        })
    }
}

#[test]
fn a_leader_raises_it_and_a_release_that_does_not_support_it_stops_there() {
    let mut new = Alone::start(2, Vec::new());
    new.step(Input::PeerSaid { peer: ControllerId(1), card: card(1) });
    assert_eq!(new.core.state().version(), FIRST);
    new.step(Input::PeerSaid { peer: ControllerId(1), card: card(2) });
    assert_eq!(new.core.state().version(), 2);
    let raised = new.core.state().applied();
    new.step(Input::PeerSaid { peer: ControllerId(1), card: card(7) });
    assert!(new.core.state().applied() > raised && new.unsupported().is_none());

    let mut old = Alone::start(1, new.written.clone());
    assert_eq!(old.unsupported(), Some(Unsupported { version: 2, supports: 1 }));
    assert_eq!(old.core.state().applied(), raised, "nothing behind it is read");
    let told = old.told.len();
    old.step(Input::Wake);
    assert_eq!((old.told.len(), old.core.next_wakeup()), (told, None), "it is deaf from then on");
}

#[test]
fn a_state_of_a_later_release_is_refused_by_name() {
    let mut state = State::founded(&[1]);
    says(&mut state, 1, 2);
    apply(&mut state, Command::Plan(PlanCommand::RaiseVersion { to: 2 }));
    let member = Member { id: 1, founders: vec![1] };
    let refused = Core::new(&member, Loaded::of(state), Restored::default(), Limits::default(), MOMENT).err();
    let Some(ConsensusError::Version(why)) = refused else { panic!("{refused:?}") };
    assert!(why.to_string().contains("machine version 2, and this release supports up to 1"), "{why}");
}
