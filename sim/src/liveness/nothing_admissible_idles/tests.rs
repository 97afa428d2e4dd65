//! States that stand still, with and without a reason.

use super::*;
use crate::example::{applied, asked, limit, node, part, pool, run, settings, submit};
use tidegate_scheduler::command::{ClientCommand, Command, Observation, PlanCommand, PoolSettings};
use tidegate_scheduler::ids::Slot;

struct Still {
    state: State,
    idles: NothingAdmissibleIdles,
    now: Micros,
}

impl Still {
    fn with(commands: Vec<ClientCommand>) -> Still {
        let mut state = State::new();
        applied(&mut state, commands.into_iter().map(asked).collect());
        Still { state, idles: NothingAdmissibleIdles::default(), now: Micros(0) }
    }

    fn pool(&self, at: usize) -> PoolId {
        self.state.pools().nth(at).expect("a pool").0
    }

    fn node(&mut self, at: usize) -> NodeId {
        let pool = self.pool(at);
        node(&mut self.state, pool)
    }

    fn start(&mut self, run: u64, element: u32, on: NodeId) {
        let slot = Slot { run: RunId(run), element };
        let before = self.state.attempts().count();
        applied(&mut self.state, vec![Command::Plan(PlanCommand::Start { slot, node: on })]);
        assert_eq!(self.state.attempts().count(), before + 1);
    }

    /// So many seconds later, looked at in each of them.
    fn after(&mut self, seconds: u64, silent: &[NodeId]) -> Option<String> {
        let silent = |node| silent.contains(&node);
        let around = Surroundings { silent: &silent, now: Millis(0) };
        let mut found = None;
        for _ in 0..=seconds {
            self.now = self.now.after(Micros::seconds(1));
            found = self.idles.look(self.now, &self.state, &around);
        }
        found
    }

    fn is_found(&mut self, what: &str) {
        assert_eq!(self.after(10, &[]), None, "not at once");
        let found = self.after(10, &[]).expect("it stands still");
        assert!(found.contains(what), "{found}");
    }
}

#[test]
fn a_pool_without_nodes_must_grow() {
    Still::with(vec![pool("main", 2), run("a", 1)]).is_found("Grow");
}

#[test]
fn a_pool_whose_nodes_are_all_taken_must_grow() {
    let mut still = Still::with(vec![pool("main", 2), run("a", 2)]);
    let node = still.node(0);
    still.start(1, 0, node);
    still.is_found("Grow");
}

#[test]
fn what_fits_on_a_node_must_be_placed() {
    let mut still = Still::with(vec![pool("main", 1)]);
    let node = still.node(0);
    let submit = |name, vcpu| asked(ClientCommand::Submit(Box::new(submit(name, 1, part(vcpu)))));
    applied(&mut still.state, vec![submit("a", 3), submit("b", 2), submit("c", 1)]);
    still.start(1, 0, node);
    still.is_found("Place(r3");
    assert_eq!(still.after(20, &[node]), None, "its worker is silent");
}

#[test]
fn another_pool_at_work_is_no_excuse() {
    let other = settings("other", 9);
    let mut still =
        Still::with(vec![pool("main", 1), ClientCommand::ApplyPool(Box::new(other)), run("a", 1)]);
    let mut found = None;
    for _ in 0..15 {
        still.node(1);
        found = still.after(0, &[]).or(found);
    }
    assert!(found.is_some_and(|found| found.contains("for p1")));
}

#[test]
fn a_pool_below_its_minimum_must_grow() {
    let settings = PoolSettings { min_instances: 1, ..settings("main", 2) };
    Still::with(vec![ClientCommand::ApplyPool(Box::new(settings))]).is_found("Refill");
}

#[test]
fn a_reason_excuses_a_pool_as_long_as_there_is_one() {
    let mut still = Still::with(vec![pool("main", 2), run("a", 3), limit(Some(7))]);
    let node = still.node(0);
    still.start(1, 0, node);
    assert_eq!(still.after(30, &[]), None, "there is quota for one node");
    applied(&mut still.state, vec![asked(limit(Some(8)))]);
    still.is_found("Grow");
    let second = still.node(0);
    still.start(1, 1, second);
    assert_eq!(still.after(30, &[]), None, "it may have two nodes");
    applied(&mut still.state, vec![asked(pool("main", 3)), asked(limit(None))]);
    let (pool, coming) = (still.pool(0), NodeId(3));
    applied(&mut still.state, vec![Command::Plan(PlanCommand::RequestNode { pool })]);
    assert_eq!(still.after(30, &[]), None, "one is on its way, and one waits");
    let reason = "none left".to_owned();
    applied(&mut still.state, vec![Command::Observed(Observation::NodeFailed { node: coming, reason })]);
    applied(&mut still.state, vec![Command::Observed(Observation::NodeGone { node: coming })]);
    assert_eq!(still.after(30, &[]), None, "its provider failed, and is left alone for a moment");
    let none = |_| false;
    let around = Surroundings { silent: &none, now: Millis(1_000_000) };
    still.idles.look(still.now, &still.state, &around);
    assert!(still.idles.look(still.now.after(SOON).after(SOON), &still.state, &around).is_some());
}
