//! S16: the clients' own account of what they asked for, kept from the committed requests alone. What each did is
//! read off the states around it; what it asked for stays so until another request changes it; and what clients are
//! told and what they read must be what this account has.

mod account;
mod alone;
mod cascade;
mod did;
mod difference;
mod reasons;

use account::Account;
use did::{Did, find_pool, is_as_asked, selected};
use std::collections::{BTreeMap, BTreeSet};
use tidegate_scheduler::command::{ClientCommand, Command, Entry, RunSelector};
use tidegate_scheduler::event::Ending;
use tidegate_scheduler::ids::{RequestKey, RunId, Slot};
use tidegate_scheduler::state::elements::ElementState;
use tidegate_scheduler::{Outcome, Refusal, State};

/// What a committed request with some key was, and did.
#[derive(Clone, Debug)]
struct Done {
    index: u64,
    command: ClientCommand,
    did: Did,
}

/// The account.
#[derive(Default)]
pub(crate) struct Requests {
    by_key: BTreeMap<RequestKey, Vec<Done>>,
    account: Account,
    /// Elements that somebody asked to end, and nobody to try again since.
    stopped: BTreeSet<Slot>,
}

impl Requests {
    /// An entry is committed.
    pub(crate) fn applied(
        &mut self,
        index: u64,
        entry: &Entry,
        before: &State,
        after: &State,
        found: &mut Vec<String>,
    ) {
        let mut broken = Vec::new();
        for (position, earlier, later) in alone::each(index, entry, before) {
            if let Command::Client { key, command } = &entry.commands[position] {
                self.request(index, *key, command, &earlier, &later, &mut broken);
            }
        }
        self.rest(index, entry, before, after, &mut broken);
        self.account.compare(index, after, &mut broken);
        found.extend(broken.into_iter().map(|what| format!("S16 clients: entry {index}: {what}")));
    }

    /// One request, with the states around it.
    fn request(
        &mut self,
        index: u64,
        key: Option<RequestKey>,
        command: &ClientCommand,
        before: &State,
        after: &State,
        broken: &mut Vec<String>,
    ) {
        if self.is_again(key, command, before) {
            if before != after {
                broken.push(format!("a request that was made before had an effect again: {command:?}"));
            }
            self.note(key, index, command, Did::Nothing);
            return;
        }
        let did = match did::judge(command, before, after) {
            Ok(did) => did,
            Err(what) => return broken.push(format!("{what}; the request was {command:?}")),
        };
        if did == Did::Nothing && !reasons::may_refuse(command, before) {
            broken.push(format!("a request had no effect, and there is no reason: {command:?}"));
        }
        self.take(index, command, did, before);
        self.in_vain(before, after);
        self.note(key, index, command, did);
    }

    /// Whether it must do nothing: its key was used, or its run was made.
    fn is_again(&self, key: Option<RequestKey>, command: &ClientCommand, before: &State) -> bool {
        if let ClientCommand::Submit(submit) = command {
            // A submission's key is its name.
            return self.account.lives(&submit.workspace, &submit.name, before);
        }
        key.is_some_and(|key| {
            let other = |done: &Done| !matches!(done.command, ClientCommand::Submit(_));
            self.by_key.get(&key).is_some_and(|done| done.iter().any(other))
        })
    }

    /// What was cancelled with what was asked for, because it would have waited in vain.
    fn in_vain(&mut self, before: &State, after: &State) {
        let waited = before.runs().iter().filter(|(_, run)| run.pending > 0);
        for (id, run) in waited.filter(|(id, _)| after.run(*id).is_some_and(|run| run.ended.is_some())) {
            let open = |slot: &Slot| !matches!(before.element(*slot), Some(ElementState::Ended(_)));
            let slots = (0..run.elements.count()).map(|element| Slot { run: id, element });
            self.stopped.extend(slots.filter(open));
        }
    }

    fn note(&mut self, key: Option<RequestKey>, index: u64, command: &ClientCommand, did: Did) {
        if let Some(key) = key {
            self.by_key.entry(key).or_default().push(Done { index, command: command.clone(), did });
        }
    }

    /// What was asked for holds from now on.
    fn take(&mut self, index: u64, command: &ClientCommand, did: Did, before: &State) {
        match (command, did) {
            (ClientCommand::Submit(submit), Did::Made(run)) => self.account.made(index, run, submit, before),
            (ClientCommand::Cancel(which), _) => self.stop(which, before),
            (ClientCommand::Retry(which), Did::Touched(_)) => self.go_on(which, before),
            (ClientCommand::ApplyPool(settings), Did::Set) => self.account.pool(index, settings),
            (ClientCommand::DeletePool { workspace, pool, .. }, Did::Set) => {
                self.account.pool_goes(workspace, pool);
                let Some((id, _)) = find_pool(before, workspace, pool) else { return };
                let of_it = before.runs().iter().filter(|(_, run)| run.pool == id && run.ended.is_none());
                let slots = of_it.flat_map(|(run, entry)| {
                    (0..entry.elements.count()).map(move |element| Slot { run, element })
                });
                self.stopped.extend(slots);
            }
            (ClientCommand::SetQuota { key, allowance }, Did::Set) => {
                self.account.allowance(index, key, *allowance);
            }
            (ClientCommand::SetWorkspace { workspace, limits }, Did::Set) => {
                self.account.workspace(index, workspace, *limits);
            }
            _ => {}
        }
    }

    fn meant(which: &RunSelector, state: &State) -> Vec<Slot> {
        let run = did::find(state, &which.workspace, &which.run);
        run.into_iter()
            .flat_map(|(run, entry)| {
                selected(which, entry.elements.count()).map(move |element| Slot { run, element })
            })
            .collect()
    }

    fn stop(&mut self, which: &RunSelector, before: &State) {
        let open = |slot: &Slot| !matches!(before.element(*slot), Some(ElementState::Ended(_)));
        self.stopped.extend(Requests::meant(which, before).into_iter().filter(open));
    }

    fn go_on(&mut self, which: &RunSelector, before: &State) {
        for slot in Requests::meant(which, before) {
            if let Some(ElementState::Ended(Ending::Failed | Ending::Canceled)) = before.element(slot) {
                self.stopped.remove(&slot);
            }
        }
    }

    /// What an entry did besides what clients asked for in it.
    fn rest(&mut self, index: u64, entry: &Entry, before: &State, after: &State, broken: &mut Vec<String>) {
        for (fence, attempt) in after.attempts().filter(|(fence, _)| before.attempt(*fence).is_none()) {
            if self.stopped.contains(&attempt.slot) {
                broken.push(format!("{fence} begins for {:?}, which was cancelled", attempt.slot));
            }
        }
        for (id, run) in after.runs().iter().filter(|(id, run)| before.run(*id) != Some(run)) {
            // What waited in vain when another run ended.
            let waited = before.run(id).is_some_and(|run| run.pending > 0);
            let in_vain = waited && run.ended.is_some() && cascade::is_in_vain(after, run);
            if in_vain {
                let slots = (0..run.elements.count()).map(|element| Slot { run: id, element });
                self.stopped.extend(slots.filter(|slot| before.element(*slot) != after.element(*slot)));
            }
            for element in 0..run.elements.count() {
                let slot = Slot { run: id, element };
                let (was, is) = (before.element(slot), after.element(slot));
                let canceled = is == Some(ElementState::Ended(Ending::Canceled)) && is != was;
                if canceled && !self.stopped.contains(&slot) {
                    broken.push(format!("{slot:?} is cancelled, and nobody asked for it"));
                }
            }
        }
        let forgotten = before.runs().iter().filter(|(id, _)| after.run(*id).is_none());
        let forgotten: Vec<RunId> = forgotten.map(|(id, _)| id).collect();
        for id in forgotten {
            self.account.forgotten(index, id);
            self.stopped.retain(|slot| slot.run != id);
        }
        self.account.lets_go(entry, after);
    }

    /// A client is told what came of its request.
    pub(crate) fn told(
        &self,
        key: RequestKey,
        command: &ClientCommand,
        answer: &Result<Outcome, Refusal>,
        found: &mut Vec<String>,
    ) {
        let done: &[Done] = self.by_key.get(&key).map_or(&[], Vec::as_slice);
        let is_so = match (answer, command) {
            (Ok(Outcome::Submitted { run, known }), ClientCommand::Submit(submit)) => {
                let made = |done: &Done| done.did == Did::Made(*run);
                self.account.is_made(*run, submit) && !done.is_empty() && (*known || done.iter().any(made))
            }
            _ => done
                .iter()
                .filter(|done| done.command == *command || answer == &Err(Refusal::KeyReused))
                .any(|done| match answer {
                    Ok(Outcome::Submitted { .. }) => false,
                    Ok(Outcome::Touched { elements: 0 }) => {
                        matches!(done.did, Did::Touched(0) | Did::Nothing)
                    }
                    Ok(Outcome::Touched { elements }) => done.did == Did::Touched(*elements),
                    Ok(Outcome::Controller { id }) => done.did == Did::Joins(*id),
                    Ok(Outcome::Done) => done.did == Did::Set,
                    Err(_) => done.did == Did::Nothing,
                }),
        };
        if !is_so {
            let did: Vec<(u64, Did)> = done.iter().map(|done| (done.index, done.did)).collect();
            found.push(format!(
                "S16 clients: a client was told {answer:?} to {command:?}; by the entries it did {did:?}"
            ));
        }
    }

    /// What somebody reads in a state that stands at some entry: all that was asked for up to there, and nothing else.
    pub(crate) fn read(&self, by: u64, state: &State, found: &mut Vec<String>) {
        let mut broken = Vec::new();
        self.account.show(state, &mut broken);
        found.extend(broken.into_iter().map(|what| {
            format!("S16 clients: a read at controller {by}, entry {}: {what}", state.applied())
        }));
    }
}

#[cfg(test)]
mod tests;
