//! Who should be a member, step by step; and a lone member's reads.

use std::collections::BTreeMap;
use tidegate_scheduler::command::{ClientCommand, Command, Entry};
use tidegate_scheduler::consensus::{Members, MembershipChange, Progress, Restored, Role};
use tidegate_scheduler::ids::{ClientToken, ControllerId};
use tidegate_scheduler::plan::membership::{Standing, Step, is_settled, next};
use tidegate_scheduler::time::{Millis, Moment, WallMicros};
use tidegate_scheduler::{Core, Effect, Input, Limits, Loaded, Member, Refusal, State};

/// A group as its leader sees it; steps take effect at once.
struct Group {
    state: State,
    members: Members,
    leader: u64,
    /// Members that are heard, and how far they have come.
    come: BTreeMap<u64, u64>,
}

impl Group {
    fn of(founders: &[u64]) -> Group {
        let come = founders.iter().map(|id| (*id, 500)).collect();
        Group { state: State::founded(founders), members: Members::of(founders), leader: founders[0], come }
    }

    fn ask(&mut self, command: ClientCommand) -> Result<tidegate_scheduler::Outcome, Refusal> {
        let commands = vec![Command::Client { key: None, command }];
        let entry = Entry { now: Millis(0), wall: WallMicros(0), commands };
        let changes = self.state.apply(self.state.applied() + 1, &entry);
        changes.replies.into_iter().next().expect("an answer").1
    }

    fn add(&mut self, voter: bool, replaces: Option<u64>) -> Result<tidegate_scheduler::Outcome, Refusal> {
        self.ask(ClientCommand::AddController { voter, replaces: replaces.map(ControllerId) })
    }

    /// Takes the steps that there are; tells them.
    fn settle(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        for _ in 0..20 {
            let come = &self.come;
            let progress = |id: ControllerId| {
                self.members.contains(id.0).then(|| Progress {
                    matched: come.get(&id.0).copied().unwrap_or(0),
                    active: come.contains_key(&id.0),
                })
            };
            let own = ControllerId(self.leader);
            let standing = Standing { own, members: &self.members, committed: 500, progress: &progress };
            let Some(step) = next(&self.state, &standing) else { return told };
            match step {
                Step::Transfer(to) => {
                    told.push(format!("{to} leads"));
                    self.leader = to.0;
                }
                Step::Forget(id) => {
                    told.push(format!("forget {id}"));
                    let forget = tidegate_scheduler::command::PlanCommand::ForgetController { id };
                    let commands = vec![Command::Plan(forget)];
                    let entry = Entry { now: Millis(0), wall: WallMicros(0), commands };
                    self.state.apply(self.state.applied() + 1, &entry);
                }
                Step::Change(change) => {
                    told.push(format!("{:?}", change.steps));
                    self.change(&change);
                }
            }
        }
        panic!("no end of it: {told:#?}");
    }

    fn change(&mut self, change: &MembershipChange) {
        if change.steps.is_empty() {
            return self.members.outgoing.clear();
        }
        if change.steps.len() > 1 {
            self.members.outgoing = self.members.voters.clone();
        }
        for (id, role) in &change.steps {
            self.members.voters.retain(|known| known != id);
            self.members.learners.retain(|known| known != id);
            match role {
                Role::Voter => self.members.voters.push(*id),
                Role::Learner => self.members.learners.push(*id),
                Role::Gone => {}
            }
        }
    }
}

#[test]
fn a_lone_controller_is_replaced() {
    let mut group = Group::of(&[1]);
    group.add(true, Some(1)).unwrap();
    assert_eq!(group.settle(), ["[(2, Learner)]"], "it is not heard yet");
    group.come.insert(2, 500);
    assert_eq!(group.settle(), ["[(2, Voter)]", "c2 leads", "[(1, Gone)]", "forget c1"]);
    assert!(is_settled(&group.state, &group.members));
    assert_eq!(group.add(false, Some(2)), Err(Refusal::LastVoter(ControllerId(2))));
}

#[test]
fn all_three_are_replaced_one_while_the_other() {
    let mut group = Group::of(&[1, 2, 3]);
    for old in [1, 2, 3] {
        group.add(true, Some(old)).unwrap();
    }
    group.come.extend([(4, 500), (5, 500), (6, 500)]);
    let told = group.settle();
    assert!(is_settled(&group.state, &group.members), "{told:#?}");
    assert_eq!(group.members.voters, [4, 5, 6]);
}

#[test]
fn a_controller_whose_going_would_leave_no_majority_stays_until_one_is_heard() {
    let mut group = Group::of(&[1, 2, 3]);
    group.come.remove(&3);
    group.ask(ClientCommand::RemoveController { id: ControllerId(2) }).unwrap();
    assert_eq!(group.settle(), Vec::<String>::new(), "1 alone could not decide anything");
    group.come.insert(3, 500);
    assert_eq!(group.settle(), ["[(2, Gone)]", "forget c2"]);
}

/// One that only follows is missed by nobody.
#[test]
fn a_learner_goes_although_a_voter_that_is_to_go_must_stay() {
    let mut group = Group::of(&[1, 2, 3]);
    group.add(false, None).unwrap();
    group.settle();
    group.come.remove(&3);
    for id in [2, 4] {
        group.ask(ClientCommand::RemoveController { id: ControllerId(id) }).unwrap();
    }
    assert_eq!(group.settle(), ["[(4, Gone)]", "forget c4"]);
    group.come.insert(3, 500);
    assert_eq!(group.settle(), ["[(2, Gone)]", "forget c2"]);
}

#[test]
fn one_that_goes_with_the_old_half_does_not_lead_the_new_one() {
    let mut group = Group::of(&[1, 2, 3]);
    group.add(true, Some(1)).unwrap();
    group.come.insert(4, 500);
    group.members = Members { voters: vec![2, 3, 4], outgoing: vec![1, 2, 3], ..Members::default() };
    assert_eq!(group.settle()[0], "c2 leads".to_owned().replace("c2", &format!("c{}", group.leader)));
}

/// Nothing but the disk stands between a lone member and a read.
#[test]
fn a_lone_member_answers_a_read_in_the_same_step() {
    let moment = Moment { elapsed: Millis(0), wall: WallMicros(1) };
    let member = Member { id: 1, founders: vec![1] };
    let loaded = Loaded::of(State::founded(&[1]));
    let mut core = Core::new(&member, loaded, Restored::default(), Limits::default(), moment).unwrap();
    while let Some(effect) = core.poll_effect() {
        if let Effect::Persist(persist) = effect {
            core.step(moment, Input::Persisted { number: persist.number });
        }
    }
    assert!(core.is_leading());
    core.step(moment, Input::Read { token: ClientToken(7) });
    let told: Vec<Effect> = std::iter::from_fn(|| core.poll_effect()).collect();
    let is_readable =
        |effect: &Effect| matches!(effect, Effect::Readable { token } if *token == ClientToken(7));
    assert!(told.iter().any(is_readable), "{told:?}");
}
