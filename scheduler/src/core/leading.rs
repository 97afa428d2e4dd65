//! Beginning and ceasing to lead, and what a leader watches.

use super::Core;
use super::room::Rooms;
use crate::command::{Command, Observation};
use crate::effect::{Effect, Outcome};
use crate::ids::{NodeId, PoolId};
use crate::message::ToWorker;
use crate::mutants::{self, Mutant};
use crate::refusal::Refusal;
use crate::state::nodes::NodePhase;
use crate::time::Millis;
use crate::watch::Watch;

/// What only a leader has: the link between its clock and the cluster's.
pub(super) struct Leading {
    pub(super) term: u64,
    pub(super) elapsed: Millis,
    pub(super) cluster: Millis,
    pub(super) next_watch: Millis,
}

impl Core {
    /// A leader that has applied an entry of its own term derives what to do from the state.
    pub(super) fn follow_leadership(&mut self) {
        let term = self.consensus.term();
        let leads = self.consensus.leads();
        if let Some(leading) = &self.leading {
            if (leads && leading.term == term) || mutants::is(Mutant::NeverStepDown) {
                return;
            }
            self.step_down();
        }
        let own = self.consensus.point(self.state.applied()).is_some_and(|point| point.term == term);
        if leads && own {
            self.lead(term);
        }
    }

    fn lead(&mut self, term: u64) {
        let elapsed = self.moment.elapsed;
        self.leading = Some(Leading { term, elapsed, cluster: self.state.now(), next_watch: elapsed });
        self.watch = Watch::begin(&self.state, elapsed);
        self.rooms = Rooms::default();
        self.effects.push_back(Effect::Lead { term });
        self.mark_all();
        for (id, node) in self.state.nodes() {
            if !mutants::is(Mutant::NeverAttach) {
                self.effects.push_back(Effect::SendWorker { node: id, message: ToWorker::Attach { term } });
            }
            self.effects.push_back(match node.phase {
                NodePhase::Leaving => Effect::Release { node: id },
                _ => Effect::Provision { node: id },
            });
        }
        self.tell_cards();
    }

    /// Ceases to lead, if it does.
    pub(super) fn stop_leading(&mut self) {
        if self.leading.is_some() {
            self.step_down();
        }
    }

    fn step_down(&mut self) {
        self.leading = None;
        self.look_again = None;
        self.watch = Watch::default();
        self.effects.push_back(Effect::Follow);
        let waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(|(_, token)| token);
        let not_proposed = waiting.map(|token| (token, Refusal::NotLeader));
        let in_flight = std::mem::take(&mut self.in_flight).into_values().flatten();
        let proposed = in_flight.map(|(_, token)| (token, Refusal::Uncertain));
        let replies = not_proposed.chain(proposed);
        let result = |refusal| match refusal == Refusal::Uncertain && mutants::is(Mutant::ReplyDespiteLoss) {
            false => Err(refusal),
            true => Ok(Outcome::Done),
        };
        self.effects.extend(replies.map(|(token, refusal)| Effect::Reply { token, result: result(refusal) }));
    }

    pub(super) fn mark_all(&mut self) {
        let pools: Vec<PoolId> = self.state.pools().map(|(id, _)| id).collect();
        pools.into_iter().for_each(|pool| self.index.mark(pool));
    }

    /// The term in which this member leads.
    pub(crate) fn leading_term(&self) -> Option<u64> {
        self.leading.as_ref().map(|leading| leading.term)
    }

    /// A node that was silent is heard again: that it is lost has not been proposed yet, and is not so.
    pub(crate) fn heard_again(&mut self, node: NodeId) {
        let lost = Command::Observed(Observation::NodeLost { node });
        self.waiting.retain(|(command, _)| *command != lost);
    }

    pub(super) fn look_for_silence(&mut self) {
        let now = self.moment.elapsed;
        let cluster_now = self.cluster_now();
        let Some(leading) = self.leading.as_mut().filter(|leading| leading.next_watch <= now) else {
            return;
        };
        // So late that this process stood still: what workers said meanwhile waits to be read.
        if now.since(leading.next_watch) > self.limits.lease {
            self.watch.stood_still(now);
        }
        leading.next_watch = now.after(self.limits.watch_every);
        let expired = self.watch.expire(&self.state, now, cluster_now, &self.limits);
        self.watch.forget_gone(&self.state);
        for node in expired.lost {
            self.observe(Observation::NodeLost { node });
        }
        for node in expired.overdue {
            let reason = format!("its worker did not attach within {}", self.limits.boot_timeout);
            self.observe(Observation::NodeFailed { node, reason });
        }
    }
}
