//! What changed is copied from a peer, and only what belongs.

use super::*;
use crate::history::copy::{CopyCursor, CopyError, CopyPiece};
use crate::history::{HistoryError, RunFilter, gone};

/// The rows of which the answers to all questions are made.
const ROWS: [&str; 6] = ["runs", "tags", "attempts", "elements", "canceled", "events"];

/// A history that is given events by hand.
pub(super) struct Replica {
    folder: TempDir,
    history: Option<History>,
}

impl Replica {
    pub(super) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let history = Some(open(folder.path()));
        Self { folder, history }
    }

    /// With blobs that others have too: quicker.
    pub(super) fn with(blobs: &BlobStore) -> Self {
        let folder = TempDir::new().unwrap();
        let history = Some(History::open(&folder.path().join("history.db"), blobs.clone()).unwrap());
        Self { folder, history }
    }

    pub(super) fn history(&self) -> &History {
        self.history.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.history = None;
        self.history = Some(open(self.folder.path()));
    }

    pub(super) fn rows(&self) -> String {
        dump(self.folder.path(), &ROWS)
    }
}

pub(super) fn rows(world: &World) -> String {
    dump(world.folder.path(), &ROWS)
}

/// Copies until the last piece, in pieces of at most `full` bytes; gives the pieces.
fn copy(from: &History, complete: u64, to: &History, full: usize) -> Vec<CopyPiece> {
    from.mark(complete).unwrap();
    let mut pieces = Vec::new();
    loop {
        let piece = from.export_up_to(&to.copy_cursor(), full).unwrap();
        let piece = CopyPiece::decode(&piece.encode()).unwrap();
        to.import(&piece).unwrap();
        let last = piece.is_last();
        assert!(last || to.is_behind());
        pieces.push(piece);
        if last {
            return pieces;
        }
    }
}

fn busy_world() -> World {
    let mut world = World::new();
    for name in ["one", "two", "three"] {
        let run =
            world.submit(submission(name, 5, r#"{"tags": {"a": "b", "c": null}, "display_name": "D"}"#));
        let fence = world.start(run, 0);
        world.end(fence, End::Succeeded);
        world.cancel(name, None);
        world.retry(name, Some(2));
    }
    world
}

#[test]
fn a_new_controller_copies_everything_and_goes_on() {
    let mut world = busy_world();
    let mut new = Replica::new();
    let needs = world.state.applied();
    assert!(new.history().set_gap(needs).unwrap());
    assert!(new.history().is_behind());
    assert_eq!(new.history().gap(), Some(needs));
    new.reopen();
    assert!(new.history().is_behind(), "a restart forgets no gap");

    // What happens meanwhile is refused, whole.
    let later = world.submit(submission("later", 1, "{}"));
    let waiting: Vec<Event> = world.events.iter().filter(|event| event.index > needs).cloned().collect();
    let refused = new.history().apply(&waiting).unwrap_err();
    assert!(matches!(refused, HistoryError::Behind { applied: 0, needs: n } if n == needs), "{refused}");
    assert!(new.history().sweep_blobs(std::time::Duration::ZERO).unwrap_err().is_behind());

    let pieces = copy(world.history(), world.state.applied(), new.history(), 700);
    assert!(pieces.len() > 3, "{}", pieces.len());
    assert!(!new.history().is_behind());
    assert_eq!(new.history().gap(), None);
    assert_eq!(new.rows(), rows(&world));
    assert_eq!(new.history().applied_index(), world.history().applied_index());

    new.history().apply(&waiting).unwrap();
    assert_eq!(new.rows(), rows(&world), "they were in the copy");
    let fence = world.start(later, 0);
    world.end(fence, End::Succeeded);
    let newest = &world.events[world.events.partition_point(|event| event.index <= needs)..];
    new.history().apply(newest).unwrap();
    assert_eq!(new.rows(), rows(&world));
}

#[test]
fn what_is_there_is_not_sent_again_and_what_comes_again_changes_nothing() {
    let mut world = busy_world();
    let mut late = Replica::new();
    late.history().apply(&world.events).unwrap();
    let run = world.submit(submission("new", 3, "{}"));
    let whole = world.history().export_up_to(&CopyCursor::start(), 1 << 20).unwrap();
    let pieces = copy(world.history(), world.state.applied(), late.history(), 200);
    assert_eq!(late.rows(), rows(&world));
    let bytes: usize = pieces.iter().map(|piece| piece.changes.len()).sum();
    assert!(bytes < whole.changes.len() / 3, "{bytes} of {}", whole.changes.len());

    let before = dump(late.folder.path(), &["applied", "gone"]);
    late.history().import(pieces.last().unwrap()).unwrap();
    for piece in &pieces[..pieces.len() - 1] {
        let refused = late.history().import(piece).unwrap_err();
        assert!(matches!(refused, HistoryError::Copy(CopyError::OutOfPlace)), "{refused}");
    }
    copy(world.history(), world.state.applied(), late.history(), 1 << 20);
    late.reopen();
    assert!(!late.history().is_behind());
    assert_eq!(late.rows(), rows(&world));
    assert_eq!(dump(late.folder.path(), &["applied", "gone"]), before);

    // In the middle of a copy too.
    world.cancel("new", None);
    world.enter(vec![Command::Plan(PlanCommand::Forget { runs: vec![run] })]);
    world.cancel("three", None);
    let first = world.history().export_up_to(&late.history().copy_cursor(), 1).unwrap();
    late.history().import(&first).unwrap();
    late.history().import(&first).unwrap();
    assert!(late.history().is_behind());
    copy(world.history(), world.state.applied(), late.history(), 100);
    assert_eq!(late.rows(), rows(&world));
}

#[test]
fn what_was_dropped_at_the_sender_is_dropped_here() {
    let mut world = busy_world();
    let late = Replica::new();
    late.history().apply(&world.events).unwrap();
    let runs: Vec<RunId> = ["one", "two"].map(|name| world.state.find_run("default", name).unwrap().0).into();
    for name in ["one", "two"] {
        world.cancel(name, None);
    }
    world.enter(vec![Command::Plan(PlanCommand::Forget { runs })]);
    world.retry("three", None);
    assert_eq!(world.history().runs(&RunFilter::default(), None, 10).unwrap().items.len(), 1);
    copy(world.history(), world.state.applied(), late.history(), 1 << 20);
    assert_eq!(late.rows(), rows(&world));
}

#[test]
fn who_is_too_far_behind_begins_anew() {
    let mut world = busy_world();
    let late = Replica::new();
    late.history().apply(&world.events).unwrap();
    for name in ["one", "two"] {
        world.cancel(name, None);
        let run = world.state.find_run("default", name).unwrap().0;
        world.enter(vec![Command::Plan(PlanCommand::Forget { runs: vec![run] })]);
    }
    gone::prune(&world.history().writer().db, 1).unwrap();
    let pieces = copy(world.history(), world.state.applied(), late.history(), 300);
    assert!(pieces[0].anew && pieces[1..].iter().all(|piece| !piece.anew));
    assert_eq!(late.rows(), rows(&world));

    // It gives further what it got, and says so too where it does not know.
    let other = Replica::new();
    let base = world.events.len() / 2;
    other.history().apply(&world.events[..base]).unwrap();
    let pieces = copy(late.history(), world.state.applied(), other.history(), 300);
    assert!(pieces[0].anew);
    assert_eq!(other.rows(), rows(&world));
}

#[test]
fn only_a_history_that_has_come_far_enough_gives() {
    let mut world = busy_world();
    let behind = Replica::new();
    behind.history().set_gap(world.state.applied()).unwrap();
    assert!(behind.history().export(&CopyCursor::start(), 0).unwrap_err().is_behind());
    let old = Replica::new();
    old.history().apply(&world.events[..4]).unwrap();
    let new = Replica::new();
    new.history().apply(&world.events[..8]).unwrap();
    assert!(old.history().export(&new.history().copy_cursor(), 0).unwrap_err().is_behind());

    // Begun at one, gone on with at another that is further, never at one that is not as far.
    let third = Replica::new();
    third.history().import(&new.history().export_up_to(&CopyCursor::start(), 400).unwrap()).unwrap();
    assert!(third.history().is_behind());
    assert!(old.history().export(&third.history().copy_cursor(), 0).unwrap_err().is_behind());
    world.cancel("three", None);
    copy(world.history(), world.state.applied(), third.history(), 400);
    assert_eq!(third.rows(), rows(&world));
}

#[test]
fn a_copy_that_ends_too_early_leaves_the_gap() {
    let mut world = busy_world();
    let peer = Replica::new();
    peer.history().apply(&world.events).unwrap();
    let complete = world.state.applied();
    world.submit(submission("later", 1, "{}"));
    let late = Replica::new();
    late.history().set_gap(world.state.applied()).unwrap();
    copy(peer.history(), complete, late.history(), 1 << 20);
    assert_eq!(
        (late.history().applied_index(), late.history().gap()),
        (complete, Some(world.state.applied()))
    );
    // Entries that had no events are there as soon as the sender knows that they are complete.
    copy(world.history(), world.state.applied() + 7, late.history(), 1 << 20);
    assert!(!late.history().is_behind());
    assert!(!late.history().set_gap(world.state.applied() + 7).unwrap());
    assert!(late.history().set_gap(world.state.applied() + 8).unwrap());
    assert!(late.history().mark(1 << 40).unwrap_err().is_behind());
    late.history().accept_loss(world.state.applied() + 8).unwrap();
    assert!(!late.history().is_behind());
    assert_eq!(late.rows(), rows(&world));
}

#[test]
fn a_mark_outlives_a_restart_and_an_event_of_a_marked_entry_is_no_news() {
    let mut world = busy_world();
    let before = world.dump();
    let index = world.state.applied();
    assert!(!world.history().set_gap(0).unwrap());
    world.history().mark(index).unwrap();
    world.reopen();
    assert!(!world.history().set_gap(index).unwrap());
    assert_eq!(world.history().applied_index(), index);
    world.history().mark(index - 1).unwrap();
    let again = world.events.clone();
    world.history().apply(&again).unwrap();
    let rows =
        |dump: &str| dump.lines().filter(|line| !line.starts_with("applied")).collect::<Vec<_>>().join("\n");
    assert_eq!(rows(&world.dump()), rows(&before));
    world.cancel("three", None);
    assert_eq!(world.history().applied_index(), index + 1);
}

#[test]
fn the_blobs_that_runs_need_are_named_until_they_are_here() {
    let mut world = World::new();
    let sender = world.history().inner.blobs.clone();
    let content = sender.put(b"print()".to_vec()).unwrap();
    let kind = crate::TreeKind::File { digest: content, size: 7, executable: false };
    let tree = crate::Tree::new(vec![crate::TreeEntry { path: "train.py".into(), kind }]).unwrap();
    let tree = sender.put(tree.encode()).unwrap();
    let body = format!(r#"{{"code": "tree:{tree}"}}"#);
    world.submit(submission("run", 1, &body));
    let new = Replica::new();
    copy(world.history(), world.state.applied(), new.history(), 1 << 20);
    let mut rounds = Vec::new();
    loop {
        let missing = new.history().missing_blobs().unwrap();
        if missing.is_empty() {
            break;
        }
        for digest in &missing {
            new.history().inner.blobs.put(sender.get(digest).unwrap().unwrap()).unwrap();
        }
        rounds.push(missing);
    }
    assert_eq!(rounds, [vec![Digest::of(body.as_bytes())], vec![tree], vec![content]]);
    assert_eq!(new.history().sweep_blobs(std::time::Duration::ZERO).unwrap().blobs, 0);
}

#[test]
fn many_blobs_that_nobody_has_are_not_in_the_way_of_others() {
    let mut world = World::new();
    let mut nowhere = Vec::new();
    for run in 0..5_u32 {
        let digests: Vec<Digest> =
            (0..500).map(|at: u32| Digest::of(&[run, at].map(u32::to_be_bytes).concat())).collect();
        let named: Vec<String> = digests.iter().map(|digest| format!("\"blob:{digest}\"")).collect();
        world.submit(submission(&format!("run{run}"), 1, &format!("[{}]", named.join(","))));
        nowhere.extend(digests);
    }
    let missing = world.history().missing_blobs().unwrap();
    assert_eq!(missing.len(), nowhere.len());
    assert!(nowhere.iter().all(|digest| missing.contains(digest)));
}

#[test]
fn a_piece_is_taken_as_it_was_sent_or_not_at_all() {
    let world = busy_world();
    let piece = world.history().export(&CopyCursor::start(), world.state.applied()).unwrap();
    let bytes = piece.encode();
    assert_eq!(CopyPiece::decode(&bytes), Ok(piece.clone()));
    for at in [0, 31, 32, 40, bytes.len() / 2, bytes.len() - 1] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(CopyPiece::decode(&damaged), Err(CopyError::Damaged));
    }
    for length in [0, 32, 39, bytes.len() - 1] {
        assert_eq!(CopyPiece::decode(&bytes[..length]), Err(CopyError::Damaged));
    }
    let sealed = |rest: &[u8]| [Digest::of(rest).as_bytes(), rest].concat();
    let other = [&99_i64.to_le_bytes()[..], &bytes[40..]].concat();
    assert_eq!(CopyPiece::decode(&sealed(&other)), Err(CopyError::Form { found: 99 }));
    let nonsense = [&bytes[32..40], b"nonsense"].concat();
    assert!(matches!(CopyPiece::decode(&sealed(&nonsense)), Err(CopyError::Unreadable(_))));
    let large = vec![0; crate::MAX_PIECE_BYTES + 1];
    assert!(matches!(CopyPiece::decode(&large), Err(CopyError::TooLarge { .. })));

    let new = Replica::new();
    let empty = dump(new.folder.path(), &["applied"]);
    for changes in [
        &rmp_serde::to_vec(&(9, [0; 0], [(); 0])).unwrap()[..],
        &rmp_serde::to_vec(&(0, [1, 2], [(); 0])).unwrap(),
        &rmp_serde::to_vec(&(0, [1, 2, -3], [(); 0])).unwrap(),
        &rmp_serde::to_vec(&(0, (1, 2, "x"), [(); 0])).unwrap(),
        &rmp_serde::to_vec(&(0, (1, 2, ()), [(); 0])).unwrap(),
        b"\xc1",
        &piece.changes[..piece.changes.len() - 1],
    ] {
        let refused = new.history().import(&CopyPiece { changes: changes.to_vec(), ..piece.clone() });
        assert!(matches!(refused, Err(HistoryError::Copy(CopyError::Unreadable(_)))), "{refused:?}");
    }
    assert_eq!(dump(new.folder.path(), &["applied"]), empty);
    assert_eq!(new.rows(), "");
    new.history().import(&piece).unwrap();
    assert_eq!(new.rows(), rows(&world));
}

#[test]
fn what_changed_is_found_without_looking_through_all() {
    let world = World::new();
    let db = rusqlite::Connection::open(world.folder.path().join("history.db")).unwrap();
    for query in crate::history::copy::queries() {
        let plan: Vec<String> = db
            .prepare(&format!("EXPLAIN QUERY PLAN {query}"))
            .unwrap()
            .query_map([0, 0, 0], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(plan.len() == 1 && plan[0].starts_with("SEARCH"), "{query}: {plan:?}");
    }
}
