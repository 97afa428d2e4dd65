//! Histories that are right, and wrong ones that must be found.

use super::Requests;
use crate::example::{self, entry, limit, run};
use tidegate_scheduler::command::{ClientCommand, Command, Entry, Observation, PlanCommand, RunSelector};
use tidegate_scheduler::ids::{ControllerId, NodeId, RequestKey, RunId, Slot};
use tidegate_scheduler::{Outcome, Refusal, State};

const KEY: RequestKey = RequestKey([7; 16]);

struct History {
    state: State,
    requests: Requests,
    keys: u8,
}

fn asked(key: Option<RequestKey>, command: &ClientCommand) -> Command {
    Command::Client { key, command: command.clone() }
}

fn pool(max: u32) -> ClientCommand {
    example::pool("main", max)
}

fn select(element: Option<u32>) -> RunSelector {
    example::select("a", element)
}

impl History {
    fn new() -> History {
        History { state: State::founded(&[1, 2]), requests: Requests::default(), keys: 0 }
    }

    /// With a pool and a run of three elements.
    fn begun() -> History {
        let mut history = History::new();
        assert_eq!(history.ask(&pool(2)), Vec::<String>::new());
        assert_eq!(history.ask(&run("a", 3)), Vec::<String>::new());
        history
    }

    fn does(&mut self, entry: &Entry) -> State {
        let before = self.state.fork();
        self.state.apply(before.applied() + 1, entry);
        before
    }

    /// An entry that is applied as it should be.
    fn right(&mut self, commands: Vec<Command>) -> Vec<String> {
        let entry = entry(commands);
        let before = self.does(&entry);
        let mut found = Vec::new();
        self.requests.applied(self.state.applied(), &entry, &before, &self.state, &mut found);
        found
    }

    fn ask(&mut self, command: &ClientCommand) -> Vec<String> {
        self.keys += 1;
        self.right(vec![asked(Some(RequestKey([self.keys; 16])), command)])
    }

    /// A request of which these commands came to be.
    fn wrong(
        &mut self,
        key: Option<RequestKey>,
        command: &ClientCommand,
        done: &[ClientCommand],
    ) -> Vec<String> {
        let before = self.does(&entry(done.iter().map(|command| asked(None, command)).collect()));
        let mut broken = Vec::new();
        let (index, after) = (self.state.applied(), self.state.fork());
        self.requests.request(index, key, command, &before, &after, &mut broken);
        broken
    }

    fn told(&self, command: &ClientCommand, answer: Result<Outcome, Refusal>) -> Vec<String> {
        let mut found = Vec::new();
        self.requests.told(RequestKey([self.keys; 16]), command, &answer, &mut found);
        found
    }
}

fn nothing() -> Vec<String> {
    Vec::new()
}

#[test]
fn a_right_history_has_nothing_wrong() {
    let mut history = History::begun();
    let element = Some(1);
    let orders = [
        (run("a", 3), Ok(Outcome::Submitted { run: RunId(1), known: true })),
        (run("a", 4), Err(Refusal::NameConflict { name: "a".into(), run: RunId(1) })),
        (ClientCommand::Cancel(select(element)), Ok(Outcome::Touched { elements: 1 })),
        (ClientCommand::Retry(select(None)), Ok(Outcome::Touched { elements: 1 })),
        (limit(Some(7)), Ok(Outcome::Done)),
        (limit(None), Ok(Outcome::Done)),
        (pool(5), Ok(Outcome::Done)),
        (
            ClientCommand::AddController { voter: true, replaces: Some(ControllerId(2)) },
            Ok(Outcome::Controller { id: ControllerId(3) }),
        ),
        (ClientCommand::RemoveController { id: ControllerId(1) }, Ok(Outcome::Done)),
        (
            ClientCommand::DeletePool { workspace: "default".into(), pool: "MAIN".into(), force: true },
            Ok(Outcome::Done),
        ),
        (ClientCommand::Cancel(select(None)), Err(Refusal::AlreadyEnded("a".into()))),
    ];
    for (command, answer) in orders {
        assert_eq!(history.ask(&command), nothing(), "{command:?}");
        assert_eq!(history.told(&command, answer), nothing(), "{command:?}");
    }
}

#[test]
fn one_key_that_has_two_effects_is_found() {
    let mut history = History::begun();
    let cancel = ClientCommand::Cancel(select(Some(1)));
    let retry = ClientCommand::Retry(select(Some(1)));
    for (command, undo) in [
        (cancel.clone(), retry.clone()),
        (retry, cancel.clone()),
        (limit(Some(3)), limit(None)),
        (pool(5), pool(2)),
    ] {
        let mut history = History::begun();
        assert_eq!(history.ask(&cancel), nothing());
        assert_eq!(history.right(vec![asked(Some(KEY), &command)]), nothing());
        assert_eq!(history.ask(&undo), nothing());
        let broken = history.wrong(Some(KEY), &command, std::slice::from_ref(&command));
        assert!(broken[0].contains("had an effect again"), "{broken:?}");
    }
    // Also when it asks for something else.
    assert_eq!(history.right(vec![asked(Some(KEY), &cancel)]), nothing());
    assert_eq!(history.right(vec![asked(Some(KEY), &pool(1))]), nothing());
    assert!(!history.wrong(Some(KEY), &pool(1), &[pool(1)]).is_empty());
    // A run's name is its key.
    let broken = history.wrong(None, &run("a", 3), &[run("b", 3)]);
    assert!(broken[0].contains("had an effect again"), "{broken:?}");
}

#[test]
fn what_is_not_what_was_asked_for_is_found() {
    let cancel = |element| ClientCommand::Cancel(select(element));
    for (asked, done) in [
        (run("b", 3), vec![run("b", 2)]),
        (run("b", 1), vec![run("c", 1)]),
        (run("b", 1), vec![run("b", 1), run("c", 1)]),
        (run("b", 1), vec![run("b", 1), cancel(None)]),
        (run("b", 1), vec![]),
        (limit(Some(5)), vec![limit(Some(4))]),
        (limit(Some(5)), vec![]),
        (limit(Some(5)), vec![limit(Some(5)), pool(1)]),
        (pool(3), vec![pool(1)]),
        (cancel(None), vec![cancel(Some(0))]),
        (cancel(Some(0)), vec![cancel(None)]),
        (cancel(Some(0)), vec![]),
        (ClientCommand::RemoveController { id: ControllerId(1) }, vec![]),
        (
            ClientCommand::RemoveController { id: ControllerId(1) },
            vec![ClientCommand::RemoveController { id: ControllerId(2) }],
        ),
        (
            ClientCommand::AddController { voter: true, replaces: None },
            vec![ClientCommand::AddController { voter: false, replaces: None }],
        ),
    ] {
        let broken = History::begun().wrong(Some(KEY), &asked, &done);
        assert!(!broken.is_empty(), "{asked:?} became {done:?}");
    }
}

#[test]
fn what_changes_although_nobody_asked_is_found() {
    for done in [limit(Some(1)), pool(1), ClientCommand::Cancel(select(Some(2))), run("b", 1)] {
        let mut history = History::begun();
        let before = history.does(&entry(vec![asked(None, &done)]));
        let mut found = Vec::new();
        let index = history.state.applied();
        history.requests.applied(index, &entry(Vec::new()), &before, &history.state, &mut found);
        assert!(!found.is_empty(), "{done:?}");
    }
}

#[test]
fn an_attempt_of_what_was_cancelled_is_found() {
    let mut history = History::begun();
    let (pool, _) = history.state.pools().next().expect("the pool");
    history.right(vec![Command::Plan(PlanCommand::RequestNode { pool })]);
    let node = NodeId(1);
    let ready = Observation::NodeReady { node, incarnation: 1 };
    history.right(vec![Command::Observed(ready)]);
    assert_eq!(history.ask(&ClientCommand::Cancel(select(Some(1)))), nothing());
    // Somebody lets it wait again and starts it, and no client asked for that.
    let slot = Slot { run: RunId(1), element: 1 };
    let start = Command::Plan(PlanCommand::Start { slot, node });
    let before = history.state.fork();
    let done = vec![asked(None, &ClientCommand::Retry(select(Some(1)))), start.clone()];
    history.does(&entry(done));
    let mut broken = Vec::new();
    let said = entry(vec![start]);
    history.requests.applied(history.state.applied(), &said, &before, &history.state, &mut broken);
    assert!(broken.iter().any(|what| what.contains("which was cancelled")), "{broken:?}");
}

#[test]
fn what_no_request_did_is_not_told() {
    let mut history = History::begun();
    let cancel = ClientCommand::Cancel(select(None));
    history.ask(&cancel);
    assert!(!history.told(&cancel, Ok(Outcome::Touched { elements: 2 })).is_empty());
    assert!(!history.told(&cancel, Ok(Outcome::Done)).is_empty());
    assert!(!history.told(&cancel, Err(Refusal::KeyReused)).is_empty());
    history.ask(&run("b", 2));
    let submitted = |run, known| Ok(Outcome::Submitted { run: RunId(run), known });
    assert_eq!(history.told(&run("b", 2), submitted(2, false)), nothing());
    assert!(!history.told(&run("b", 2), submitted(1, false)).is_empty(), "that is another run");
    assert!(!history.told(&run("b", 3), submitted(2, false)).is_empty(), "it has two elements");
    assert!(!history.told(&limit(None), Ok(Outcome::Done)).is_empty(), "its key did something else");
    history.keys += 1;
    assert!(!history.told(&run("b", 2), submitted(2, true)).is_empty(), "no entry has that request");
}

#[test]
fn a_read_that_misses_something_is_found() {
    let mut history = History::begun();
    history.ask(&limit(Some(9)));
    let read = |history: &History, state: &State| {
        let mut found = Vec::new();
        history.requests.read(1, state, &mut found);
        found
    };
    assert_eq!(read(&history, &history.state), nothing());
    // An earlier state is right for its own entry: that it is too early is told by the floor.
    let earlier = history.state.fork();
    history.ask(&limit(Some(3)));
    assert_eq!(read(&history, &earlier), nothing());
    let mut other = History::begun();
    other.ask(&limit(Some(8)));
    assert!(!read(&history, &other.state).is_empty());
    let mut fewer = History::new();
    fewer.ask(&pool(2));
    fewer.ask(&limit(Some(9)));
    fewer.ask(&limit(Some(9)));
    assert!(!read(&history, &fewer.state).is_empty());
}
