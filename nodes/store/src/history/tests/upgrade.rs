//! A database of an older release is brought forward.

use super::*;
use crate::StoreError;
use crate::history::HistoryError;
use crate::history::copy::CopyCursor;

/// Writes the world's history as version 1 had it.
fn as_version_1(world: &mut World) {
    world.history = None;
    let path = world.folder.path().join("history.db");
    let old = world.folder.path().join("old.db");
    let db = rusqlite::Connection::open(&old).unwrap();
    db.execute_batch(include_str!("version_1.sql")).unwrap();
    db.execute("ATTACH ?1 AS new", [path.to_str().unwrap()]).unwrap();
    db.execute("DELETE FROM applied", []).unwrap();
    for table in ["applied", "runs", "tags", "attempts", "elements", "canceled", "events"] {
        let columns: Vec<String> = db
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}', 'main')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let columns = columns.join(", ");
        db.execute(&format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM new.{table}"), [])
            .unwrap();
    }
    drop(db);
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(crate::sqlite::beside(&path, suffix));
    }
    std::fs::rename(&old, &path).unwrap();
}

#[test]
fn a_history_of_version_1_goes_on_and_can_be_copied() {
    let mut world = World::new();
    let run = world.submit(submission("array", 10, r#"{"tags": {"a": "b"}}"#));
    let fence = world.start(run, 3);
    world.end(fence, End::Exited { code: 2 });
    world.cancel("array", None);
    let told = |world: &World| {
        let history = world.history();
        let elements = history.elements(run, None, None, 100).unwrap();
        let attempts = history.attempts(Slot { run, element: 3 }).unwrap();
        (history.run(run).unwrap(), history.tags(run).unwrap(), elements, attempts)
    };
    let before = told(&world);
    as_version_1(&mut world);
    world.reopen();
    assert_eq!(told(&world), before);
    let again = world.events.clone();
    world.history().apply(&again).unwrap();
    world.retry("array", Some(5));
    world.reopen();

    let folder = TempDir::new().unwrap();
    let copy = open(folder.path());
    let mut pieces = 0;
    world.history().mark(world.state.applied()).unwrap();
    loop {
        let piece = world.history().export_up_to(&copy.copy_cursor(), 200).unwrap();
        assert_eq!(piece.anew, pieces == 0, "what was gone before is not known");
        copy.import(&piece).unwrap();
        pieces += 1;
        if piece.is_last() {
            break;
        }
    }
    drop(copy);
    assert!(pieces > 2);
    let rows = |folder: &Path| dump(folder, &["runs", "tags", "attempts", "elements", "canceled", "events"]);
    assert_eq!(rows(folder.path()), rows(world.folder.path()));
}

#[test]
fn a_copy_from_an_upgraded_history_ends_though_nothing_new_happens() {
    let mut world = World::new();
    for i in 0..20 {
        world.submit(submission(&format!("run{i}"), 1, "{}"));
    }
    as_version_1(&mut world);
    world.reopen();
    let mut cursor = CopyCursor::start();
    let mut pieces = 0;
    loop {
        let piece = world.history().export_up_to(&cursor, 500).unwrap();
        cursor = piece.next();
        pieces += 1;
        assert!(pieces < 100);
        if piece.is_last() {
            break;
        }
    }
    assert!(pieces > 3);
}

#[test]
fn a_history_of_a_newer_release_is_refused() {
    let mut world = World::new();
    world.history = None;
    let path = world.folder.path().join("history.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 3).unwrap();
    let blobs = BlobStore::open(world.folder.path().join("blobs"), StoreOptions::default()).unwrap();
    let refused = History::open(&path, blobs).unwrap_err();
    assert!(
        matches!(refused, HistoryError::Store(StoreError::Format { found: 3, known: 2, .. })),
        "{refused}"
    );
}
