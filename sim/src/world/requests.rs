//! Clients' requests: each is said again, at another controller, with the same key, until it is answered.

use super::World;
use super::happening::{Answer, Call, CallKind, Happening, RequestStep, ToController};
use crate::checkers::acknowledged_is_visible::{self, is_undecided};
use crate::clock::Micros;
use crate::controller::{Controller, Status};
use crate::coverage::Mark;
use crate::faults::FaultKind;
use crate::network::Place;
use crate::workload::Ask;
use tidegate_scheduler::command::ClientCommand;
use tidegate_scheduler::ids::{ClientToken, ControllerId};
use tidegate_scheduler::{Input, Outcome, Refusal};

/// How long a client waits for an answer.
const PATIENCE: Micros = Micros::millis(2500);

/// The client that reads again and again.
const WATCHER: u64 = 98;

/// One request of a client.
pub(crate) struct Request {
    client: u64,
    what: CallKind,
    attempt: u32,
    pub(crate) answered: bool,
    /// In the place of which controller a new one was asked for.
    replaces: Option<u64>,
}

impl Request {
    /// In words, for what was never answered.
    pub(crate) fn words(&self) -> String {
        let mut words = format!("{:?}", self.what);
        words.truncate(words.floor_char_boundary(200));
        format!("client {} after {} tries: {words}", self.client, self.attempt)
    }

    /// Whether it changes who is a member, and nobody knows yet whether it has.
    pub(crate) fn changes_members(&self) -> bool {
        let CallKind::Command { command, .. } = &self.what else { return false };
        let changes =
            matches!(**command, ClientCommand::AddController { .. } | ClientCommand::RemoveController { .. });
        changes && !self.answered
    }
}

impl World {
    /// The next planned request is made.
    pub(super) fn ask_planned(&mut self, at: usize) {
        if let Some(next) = self.planned.get(at + 1) {
            self.engine.at(next.at, Happening::Planned { at: at + 1 });
        }
        if self.healed {
            return;
        }
        let planned = self.planned[at].clone();
        let adds =
            |ask: &Ask| matches!(ask, Ask::Command { command: ClientCommand::AddController { .. }, .. });
        if adds(&planned.ask) && !self.may_add() {
            return;
        }
        if let Ask::Command { key, .. } = &planned.ask {
            self.commands.insert(*key);
        }
        let what = match planned.ask {
            Ask::Command { key, command } => CallKind::Command { key, command: Box::new(command) },
            Ask::Read => CallKind::Read,
            Ask::Transfer { dice } => CallKind::Transfer { dice },
            Ask::Remove { dice } => match self.whom_to_remove(dice) {
                Some(command) => CallKind::Command { key: self.draw_key(), command: Box::new(command) },
                None => CallKind::Transfer { dice },
            },
        };
        self.ask(planned.client, what, None);
    }

    pub(super) fn draw_key(&mut self) -> tidegate_scheduler::ids::RequestKey {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.random.bits().to_be_bytes());
        key[8..].copy_from_slice(&self.random.bits().to_be_bytes());
        tidegate_scheduler::ids::RequestKey(key)
    }

    /// A client begins a request.
    pub(super) fn ask(&mut self, client: u64, what: CallKind, replaces: Option<u64>) {
        let number = self.requests.len();
        self.say(|| format!("client {client} asks ({number}): {what:?}"));
        self.requests.push(Request { client, what, attempt: 0, answered: false, replaces });
        self.step_request(number, RequestStep::Try { attempt: 1 });
    }

    pub(super) fn step_request(&mut self, number: usize, step: RequestStep) {
        match step {
            RequestStep::Try { attempt } => self.try_request(number, attempt),
            RequestStep::TimeOut { attempt } => {
                let request = &self.requests[number];
                if !request.answered && request.attempt == attempt {
                    self.favourites.remove(&Place::Client(request.client));
                    self.try_request(number, attempt + 1);
                }
            }
            RequestStep::Answer { attempt, answer, by } => self.answered(number, attempt, *answer, by),
        }
    }

    fn try_request(&mut self, number: usize, attempt: u32) {
        let now = self.now();
        let request = &mut self.requests[number];
        if request.answered || attempt <= request.attempt {
            return;
        }
        request.attempt = attempt;
        let client = Place::Client(request.client);
        let call = Call { request: number, attempt, client, via: None, what: request.what.clone() };
        let to = self.whom_to_ask(client);
        let time_out = RequestStep::TimeOut { attempt };
        self.engine.after(PATIENCE, Happening::Request { number, step: time_out });
        for at in self.network.toss(now, client, Place::Controller(to)).into_iter().flatten() {
            let what = ToController::Ask { call: Box::new(call.clone()) };
            self.engine.at(at, Happening::Controller { to, what });
        }
    }

    /// Whom a client asks: who answered it last, until that one does not.
    fn whom_to_ask(&mut self, client: Place) -> u64 {
        let is_known = |it: &Controller| !matches!(it.status, Status::Gone | Status::Refuses(_));
        let there = |id: &u64| self.controllers.get(id).is_some_and(is_known);
        if let Some(last) = self.favourites.get(&client).copied().filter(there) {
            return last;
        }
        let members = self.controllers.iter().filter(|(_, it)| is_known(it));
        let known: Vec<u64> = members.map(|(id, _)| *id).collect();
        self.random.pick(&known).copied().unwrap_or(1)
    }

    /// Somebody looks again.
    pub(super) fn watch(&mut self) {
        if !self.healed && self.swarm.mix.watch_every > Micros(0) {
            if self.watched.is_none_or(|number| self.requests[number].answered) {
                self.watched = Some(self.requests.len());
                self.ask(WATCHER, CallKind::Read, None);
            }
            self.engine.after(self.swarm.mix.watch_every, Happening::Watch);
        }
    }

    /// A controller is asked: it answers what it can, and passes on to the leader what it cannot.
    pub(super) fn answer_call(&mut self, id: u64, call: Call) {
        let now = self.now();
        let Some(core) = self.controllers.get(&id).and_then(|controller| controller.core.as_ref()) else {
            return;
        };
        let leader = core.leader().map(|leader| leader.0).filter(|leader| *leader != id);
        let leads = core.is_leading();
        match &call.what {
            CallKind::Read => {
                let token = self.wait_for(id, call);
                self.step(id, Input::Read { token });
            }
            CallKind::Command { key, command } if leads => {
                let (key, command) = (Some(*key), (**command).clone());
                let token = self.wait_for(id, call);
                self.step(id, Input::Client { token, key, command });
            }
            CallKind::Transfer { dice } if leads => {
                let to = self.whom_to_transfer_to(*dice);
                self.reply(id, call, Ok(Outcome::Done));
                self.transfer(id, to, false);
            }
            CallKind::Command { .. } | CallKind::Transfer { .. } => {
                match leader.filter(|_| call.via.is_none()) {
                    Some(leader) => {
                        self.coverage.mark(Mark::Forwarded);
                        let call = Box::new(Call { via: Some(id), ..call });
                        for at in self
                            .network
                            .toss(now, Place::Controller(id), Place::Controller(leader))
                            .into_iter()
                            .flatten()
                        {
                            let what = ToController::Ask { call: call.clone() };
                            self.engine.at(at, Happening::Controller { to: leader, what });
                        }
                    }
                    None => self.reply(id, call, Err(Refusal::NotLeader)),
                }
            }
        }
    }

    /// The core will answer, by this token.
    fn wait_for(&mut self, id: u64, call: Call) -> ClientToken {
        self.next_token += 1;
        let token = ClientToken(self.next_token);
        if let CallKind::Read = call.what {
            // No read that begins now may show less than what anybody has applied.
            self.floors.insert(token, self.reference.index());
        }
        self.calls.insert(token, (call, id));
        token
    }

    /// The core answers.
    pub(super) fn replied(&mut self, id: u64, token: ClientToken, answer: Answer) {
        if let Some((call, _)) = self.calls.remove(&token) {
            if let Err(Refusal::Unavailable(_)) = &answer {
                self.coverage.mark(Mark::FullDisk);
                self.note_fault(FaultKind::FullDisk);
            }
            self.reply(id, call, answer);
        }
    }

    /// A read may look now.
    pub(super) fn readable(&mut self, id: u64, token: ClientToken) {
        let Some((call, _)) = self.calls.remove(&token) else { return };
        let floor = self.floors.remove(&token).unwrap_or_default();
        let Some(core) = self.controllers.get(&id).and_then(|controller| controller.core.as_ref()) else {
            return;
        };
        if !core.is_leading() {
            self.coverage.mark(Mark::FollowerRead);
        }
        acknowledged_is_visible::read(id, floor, core.state(), &self.reference, &mut self.found);
        self.reply(id, call, Ok(Outcome::Done));
    }

    /// An answer leaves a controller: back to who passed the request on, or to the client.
    pub(super) fn reply(&mut self, id: u64, call: Call, answer: Answer) {
        let now = self.now();
        if let Some(via) = call.via.filter(|via| *via != id) {
            let call = Box::new(Call { via: None, ..call });
            let [first, _] = self.network.toss(now, Place::Controller(id), Place::Controller(via));
            if let Some(at) = first {
                let what = ToController::Answered { call, answer: Box::new(answer) };
                self.engine.at(at, Happening::Controller { to: via, what });
            }
            return;
        }
        let step = |answer| RequestStep::Answer { attempt: call.attempt, answer: Box::new(answer), by: id };
        for at in self.network.toss(now, Place::Controller(id), call.client).into_iter().flatten() {
            self.engine.at(at, Happening::Request { number: call.request, step: step(answer.clone()) });
        }
    }

    /// An answer arrives at the client.
    fn answered(&mut self, number: usize, attempt: u32, answer: Answer, by: u64) {
        let request = &mut self.requests[number];
        let client = Place::Client(request.client);
        if is_undecided(&answer) {
            self.favourites.remove(&client);
            if matches!(answer, Err(Refusal::Uncertain)) {
                self.coverage.mark(Mark::Uncertain);
            }
            if !request.answered && request.attempt == attempt {
                let pause = Micros::millis(50).after(Micros(self.random.below(400_000)));
                let again = RequestStep::Try { attempt: attempt + 1 };
                self.engine.after(pause, Happening::Request { number, step: again });
            }
            return;
        }
        self.favourites.insert(client, by);
        let news = !std::mem::replace(&mut request.answered, true);
        let (what, replaces) = (request.what.clone(), request.replaces);
        self.history.mix(&[number as u64, u64::from(attempt), u64::from(answer.is_ok())]);
        self.say(|| format!("client hears ({number}) from {by}: {answer:?}"));
        if let CallKind::Command { key, command } = what {
            acknowledged_is_visible::told(key, &command, &answer, &self.reference, &mut self.found);
            self.note_answer(&command, &answer);
            if news && let Ok(Outcome::Controller { id }) = answer {
                self.found_controller(id.0, replaces);
            }
        }
    }

    fn note_answer(&mut self, command: &ClientCommand, answer: &Answer) {
        match (command, answer) {
            (ClientCommand::Cancel(_), Err(Refusal::AlreadyEnded(_))) => {
                self.coverage.mark(Mark::CancelTooLate)
            }
            (ClientCommand::Submit(_), Err(Refusal::TooManyRuns { .. })) => {
                self.coverage.mark(Mark::TooManyRuns);
            }
            (ClientCommand::Submit(_), Err(Refusal::NeverFits { .. })) => self.coverage.mark(Mark::NeverFits),
            _ => {}
        }
    }

    fn whom_to_transfer_to(&mut self, dice: u64) -> Option<ControllerId> {
        let voters = &self.members.voters;
        let picked = voters.get((dice % voters.len().max(1) as u64) as usize).copied();
        picked.filter(|_| dice & (1 << 40) != 0).map(ControllerId)
    }
}
