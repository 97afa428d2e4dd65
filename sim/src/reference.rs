//! The one history that all controllers must agree on: each committed entry is applied here once, when the first
//! controller has applied it, and every promise is checked after it.

use crate::checkers::requests::Requests;
use crate::checkers::{self, Applied, Checker};
use crate::coverage::{Coverage, Mark};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tidegate_scheduler::command::{ClientCommand, Command, Entry, Observation};
use tidegate_scheduler::consensus::{EntryKind, LogEntry};
use tidegate_scheduler::event::Event;
use tidegate_scheduler::ids::{Fence, NodeId, RequestKey};
use tidegate_scheduler::state::apply::Changes;
use tidegate_scheduler::{Limits, Outcome, Refusal, State};

/// How many states before the newest are kept, to compare controllers with that lag.
const KEPT: usize = 512;

type Answer = Result<Outcome, Refusal>;

/// The agreed history.
pub(crate) struct Reference {
    state: State,
    terms: BTreeMap<u64, u64>,
    /// Every entry that any controller wrote, by index and term.
    written: BTreeMap<(u64, u64), LogEntry>,
    events: BTreeMap<u64, Vec<Event>>,
    forks: VecDeque<State>,
    /// What each key was answered, and by which entry.
    answers: BTreeMap<RequestKey, Vec<(u64, Answer)>>,
    /// The nodes that were silent when an entry was planned.
    silent: BTreeMap<(u64, u64), BTreeSet<NodeId>>,
    /// The attempts whose end a committed entry has.
    settled: BTreeSet<Fence>,
    limits: Limits,
    checkers: Vec<Box<dyn Checker>>,
    /// The clients' own account.
    requests: Requests,
}

impl Reference {
    pub(crate) fn new(founders: &[u64], limits: Limits) -> Reference {
        let state = State::founded(founders);
        Reference {
            forks: VecDeque::from([state.fork()]),
            state,
            terms: BTreeMap::new(),
            written: BTreeMap::new(),
            events: BTreeMap::new(),
            answers: BTreeMap::new(),
            silent: BTreeMap::new(),
            settled: BTreeSet::new(),
            limits,
            checkers: checkers::all(),
            requests: Requests::default(),
        }
    }

    /// The newest state that any controller has come to.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// How far it reaches.
    pub(crate) fn index(&self) -> u64 {
        self.state.applied()
    }

    /// The term of a committed entry.
    pub(crate) fn term(&self, index: u64) -> Option<u64> {
        self.terms.get(&index).copied()
    }

    /// The state after an entry, if it is among the newest.
    pub(crate) fn at(&self, index: u64) -> Option<&State> {
        let back = self.index().checked_sub(index)?;
        self.forks.len().checked_sub(1 + back as usize).and_then(|at| self.forks.get(at))
    }

    /// What history says of an entry.
    pub(crate) fn events(&self, index: u64) -> &[Event] {
        self.events.get(&index).map_or(&[], Vec::as_slice)
    }

    /// The attempts whose end a committed entry has.
    pub(crate) fn settled(&self) -> &BTreeSet<Fence> {
        &self.settled
    }

    /// The clients' own account of what they asked for.
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// What a key was answered, and by which entries.
    pub(crate) fn answers(&self, key: RequestKey) -> &[(u64, Answer)] {
        self.answers.get(&key).map_or(&[], Vec::as_slice)
    }

    /// A controller writes an entry down. Two entries of one index and term are the same.
    pub(crate) fn wrote(&mut self, entry: &LogEntry, found: &mut Vec<String>) {
        match self.written.get(&(entry.index, entry.term)) {
            None => drop(self.written.insert((entry.index, entry.term), entry.clone())),
            Some(known) if known == entry => {}
            Some(_) => found.push(format!(
                "S1 replicas agree: two entries were written at index {} in term {}",
                entry.index, entry.term
            )),
        }
    }

    /// A leader planned an entry while these nodes were silent.
    pub(crate) fn planned(&mut self, index: u64, term: u64, silent: &BTreeSet<NodeId>) {
        self.silent.insert((index, term), silent.clone());
    }

    /// The next entry is committed, in this term.
    pub(crate) fn commit(&mut self, term: u64, coverage: &mut Coverage, found: &mut Vec<String>) {
        let index = self.index() + 1;
        let Some(entry) = self.written.get(&(index, term)) else {
            return found.push(format!("S1 replicas agree: entry {index} of term {term} was never written"));
        };
        let before = self.state.fork();
        let commands = match entry.kind {
            EntryKind::Membership => Vec::new(),
            EntryKind::Commands if entry.data.is_empty() => Vec::new(),
            EntryKind::Commands => match rmp_serde::from_slice::<Entry>(&entry.data) {
                Ok(entry) => return self.apply(index, term, entry, &before, coverage, found),
                Err(error) => {
                    return found.push(format!("S1 replicas agree: entry {index} is unreadable: {error}"));
                }
            },
        };
        self.state.skip(index);
        // Consensus made it: nothing was planned for it.
        self.silent.remove(&(index, term));
        self.record(index, term, &commands, Changes::default(), &before, coverage, found);
    }

    fn apply(
        &mut self,
        index: u64,
        term: u64,
        entry: Entry,
        before: &State,
        coverage: &mut Coverage,
        found: &mut Vec<String>,
    ) {
        let changes = self.state.apply(index, &entry);
        self.requests.applied(index, &entry, before, &self.state, found);
        self.settled.extend(entry.commands.iter().filter_map(|command| match command {
            Command::Observed(Observation::Ended { report, .. }) => Some(report.fence),
            _ => None,
        }));
        self.note_answers(index, &entry.commands, &changes, before, coverage, found);
        self.record(index, term, &entry.commands, changes, before, coverage, found);
    }

    #[expect(clippy::too_many_arguments, reason = "one entry, and what is told of it")]
    fn record(
        &mut self,
        index: u64,
        term: u64,
        commands: &[Command],
        changes: Changes,
        before: &State,
        coverage: &mut Coverage,
        found: &mut Vec<String>,
    ) {
        self.terms.insert(index, term);
        let applied = Applied {
            index,
            commands,
            before,
            after: &self.state,
            changes: &changes,
            silent: self.silent.get(&(index, term)),
            limits: &self.limits,
        };
        for checker in &mut self.checkers {
            checker.applied(&applied, coverage, found);
        }
        self.events.insert(index, changes.events);
        self.forks.push_back(self.state.fork());
        if self.forks.len() > KEPT {
            self.forks.pop_front();
        }
    }

    /// The same key has one effect and one answer, however often it arrives.
    fn note_answers(
        &mut self,
        index: u64,
        commands: &[Command],
        changes: &Changes,
        before: &State,
        coverage: &mut Coverage,
        found: &mut Vec<String>,
    ) {
        for (position, answer) in &changes.replies {
            let Some(Command::Client { key: Some(key), command }) = commands.get(*position) else { continue };
            let known = self.answers.entry(*key).or_default();
            if let Some((first, earlier)) = known.last() {
                coverage.mark(Mark::SameKeyTwice);
                if !is_same(command, known, answer, before) {
                    found.push(format!(
                        "S16 clients: one key, two effects: entry {first} answered {earlier:?}, entry {index} \
                         answered {answer:?} to {command:?}"
                    ));
                }
            }
            known.push((index, answer.clone()));
        }
    }

    /// The whole of what can be compared once everything is at rest.
    pub(crate) fn at_rest(&mut self, found: &mut Vec<String>) {
        for checker in &mut self.checkers {
            checker.at_rest(&self.state, found);
        }
    }
}

/// Whether a later answer to a key agrees with those before. A submission's key is its name: it may be taken again
/// once its run was forgotten, and a refusal may pass.
fn is_same(command: &ClientCommand, known: &[(u64, Answer)], later: &Answer, before: &State) -> bool {
    let submitted = |answer: &Answer| match answer {
        Ok(Outcome::Submitted { run, .. }) => Some(*run),
        _ => None,
    };
    if !matches!(command, ClientCommand::Submit(_)) {
        return known.iter().all(|(_, earlier)| earlier == later);
    }
    let last = known.iter().rev().find_map(|(_, earlier)| submitted(earlier));
    match (last, later) {
        (Some(last), Ok(Outcome::Submitted { run, known: true })) => *run == last,
        (Some(last), _) => before.run(last).is_none(),
        (None, _) => true,
    }
}
