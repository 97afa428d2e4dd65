//! What is dropped, and which blobs go with it.

use std::time::Duration;

use tidegate_scheduler::event::Ending;

use super::*;
use crate::artifacts::StoredLog;
use crate::{Tree, TreeEntry, TreeKind};

/// Ends `fence` with artifacts: a log and a folder, whose digests it gives with that of the folder's file.
fn end_with_artifacts(world: &mut World, blobs: &BlobStore, fence: Fence, name: &str) -> [Digest; 3] {
    let content = blobs.put(format!("content of {name}").into_bytes()).unwrap();
    let kind = TreeKind::File { digest: content, size: 11 + name.len() as u64, executable: false };
    let tree = Tree::new(vec![TreeEntry { path: "model".into(), kind }]).unwrap();
    let tree = blobs.put(tree.encode()).unwrap();
    let log = blobs.put(format!("log of {name}").into_bytes()).unwrap();
    let artifacts = Artifacts {
        stdout: Some(StoredLog { digest: log, kept: 1, written: 1 }),
        default: Some(tree),
        ..Artifacts::default()
    };
    let report = Box::new(Report { artifacts: artifacts.encode(), ..report(fence, End::Succeeded) });
    world.enter(vec![Command::Observed(Observation::Ended { node: NodeId(1), report })]);
    [content, tree, log]
}

#[test]
fn a_forgotten_run_leaves_nothing_and_no_blob_that_is_still_needed_goes() {
    let mut world = World::new();
    let blobs = world.history().inner.blobs.clone();
    let code = blobs.put(b"print()".to_vec()).unwrap();
    let kind = TreeKind::File { digest: code, size: 7, executable: false };
    let code_tree = Tree::new(vec![TreeEntry { path: "train.py".into(), kind }]).unwrap();
    let code_tree = blobs.put(code_tree.encode()).unwrap();
    let input = blobs.put(b"an input that is no folder".to_vec()).unwrap();
    let body = format!(r#"{{"code": "tree:{code_tree}", "inputs": {{"x": {{"path": "blob:{input}"}}}}}}"#);

    let empty = world.dump();
    let old = world.submit(submission("old", 2, &format!("{body} ")));
    world.cancel("old", Some(1));
    let fence = world.start(old, 0);
    let old_blobs = end_with_artifacts(&mut world, &blobs, fence, "old");
    let only_old = world.dump();
    let new = world.submit(submission("new", 1, &body));
    let fence = world.start(new, 0);
    let new_blobs = end_with_artifacts(&mut world, &blobs, fence, "new");
    let loose = blobs.put(b"uploaded, and not referred to yet".to_vec()).unwrap();

    let new_body = Digest::of(body.as_bytes());
    assert_eq!(world.history().sweep_blobs(Duration::from_secs(3600)).unwrap().blobs, 0, "too young");
    assert_eq!(world.history().sweep_blobs(Duration::ZERO).unwrap().blobs, 1);
    assert_eq!(blobs.missing(&[loose]).unwrap(), [loose]);

    world.enter(vec![Command::Plan(PlanCommand::Forget { runs: vec![old] })]);
    assert_eq!(world.history().run(old).unwrap(), None);
    assert!(world.history().attempts(Slot { run: old, element: 0 }).unwrap().is_empty());
    assert_eq!(world.history().run(new).unwrap().unwrap().ending, Some(Ending::Completed));
    let swept = world.history().sweep_blobs(Duration::ZERO).unwrap();
    assert_eq!(swept.blobs, 4, "its three, and its body");
    assert_eq!(blobs.missing(&old_blobs).unwrap(), old_blobs);
    let kept = [&new_blobs[..], &[code, code_tree, input, new_body]].concat();
    assert!(blobs.missing(&kept).unwrap().is_empty());

    world.enter(vec![Command::Plan(PlanCommand::Forget { runs: vec![new] })]);
    let rows =
        |dump: &str| dump.lines().filter(|line| !line.starts_with("applied")).map(str::to_owned).collect();
    let (before, after): (Vec<String>, Vec<String>) = (rows(&empty), rows(&world.dump()));
    assert_eq!(after, before);
    assert_ne!(rows(&only_old) as Vec<String>, before);
}

#[test]
fn nothing_is_swept_while_something_cannot_be_read() {
    let mut world = World::new();
    let blobs = world.history().inner.blobs.clone();
    let run = world.submit(submission("run", 1, "{}"));
    let fence = world.start(run, 0);
    let [_, tree, _] = end_with_artifacts(&mut world, &blobs, fence, "run");
    let loose = blobs.put(b"loose".to_vec()).unwrap();
    let db = rusqlite::Connection::open(world.folder.path().join("blobs/small.db")).unwrap();
    db.execute("UPDATE small SET data = x'00' WHERE digest = ?1", [tree.as_bytes()]).unwrap();
    assert!(world.history().sweep_blobs(Duration::ZERO).is_err());
    assert!(blobs.missing(&[loose]).unwrap().is_empty());
}
