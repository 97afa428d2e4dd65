use std::os::unix::fs::PermissionsExt;

use tidegate_scheduler::{
    command::OnDisconnect,
    ids::{ContentId, RunId, Slot},
    message::{Assignment, End, Report},
    resources::Resources,
    time::{Millis, WallMicros},
};

use super::*;
use crate::attempts::{Parcel, Record, Recovered};

pub(crate) fn assignment(fence: u64) -> Assignment {
    Assignment {
        fence: Fence(fence),
        slot: Slot { run: RunId(1), element: 0 },
        count: 1,
        run: "train".into(),
        workspace: "main".into(),
        attempt: 1,
        resources: Resources { vcpu: 1, memory_mib: 512, gpu_milli: 0 },
        body: ContentId([7; 32]),
        on_disconnect: OnDisconnect::Continue,
        grace: Millis(1000),
    }
}

pub(crate) fn record(fence: u64) -> Record {
    Record {
        assignment: assignment(fence),
        outputs: vec!["model".into()],
        environment: "host".into(),
        notes: vec![],
    }
}

#[test]
fn what_was_written_of_attempts_is_found_again_and_what_is_half_made_goes() {
    let temp = tempfile::tempdir().unwrap();
    let node = NodeFolder::open(&temp.path().join("node")).unwrap();
    let [half, prepared, reported, broken] = [1, 2, 3, 4].map(|fence| node.attempt(Fence(fence)));
    for folder in [&half, &prepared, &reported, &broken] {
        folder.make().unwrap();
        folder.make_kept().unwrap();
    }
    prepared.write_record(&record(2)).unwrap();
    let report = Report {
        fence: Fence(3),
        end: End::Exited { code: 3 },
        started: WallMicros(1),
        ended: WallMicros(2),
        cpu_micros: 3,
        max_rss_kib: 4,
        artifacts: vec![1, 2],
        notes: vec!["n".into()],
    };
    let parcel = Parcel { report: Box::new(report), blobs: vec![serde_bytes::ByteBuf::from(vec![9; 300])] };
    reported.write_report(&Reported { assignment: assignment(3), parcel: parcel.clone() }).unwrap();
    fs::write(broken.assignment(), [0xc1]).unwrap();
    let found = node.recover().unwrap();
    let [(Fence(2), Recovered::Prepared(two)), (Fence(3), Recovered::Reported(three))] = found.as_slice()
    else {
        panic!("{found:?}");
    };
    assert_eq!(**two, record(2));
    assert_eq!(**three, assignment(3));
    assert_eq!(read_report(&reported).unwrap().parcel, parcel);
    assert!(!half.root().exists() && !broken.root().exists());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(node.root()), mode(prepared.root()), mode(&reported.report())), (0o700, 0o700, 0o600));
}

#[test]
fn an_attempts_folder_goes_whatever_its_run_left() {
    let temp = tempfile::tempdir().unwrap();
    let node = NodeFolder::open(temp.path()).unwrap();
    let folder = node.attempt(Fence(1));
    folder.make().unwrap();
    folder.make_kept().unwrap();
    let outside = temp.path().join("precious");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "x").unwrap();
    let deep = folder.work().join("outputs/a/b");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("file"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, folder.work().join("link")).unwrap();
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o000)).unwrap();
    folder.remove().unwrap();
    assert!(!folder.root().exists());
    assert!(outside.join("file").exists());
    folder.remove().unwrap();
}

#[test]
fn the_incarnation_is_drawn_once_and_a_cleared_folder_is_gone() {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("node");
    let node = NodeFolder::open(&root).unwrap();
    let drawn = node.incarnation().unwrap();
    assert_eq!(NodeFolder::open(&root).unwrap().incarnation().unwrap(), drawn);
    node.attempt(Fence(1)).make().unwrap();
    node.clear(false).unwrap();
    assert!(!root.exists());
    assert_ne!(NodeFolder::open(&root).unwrap().incarnation().unwrap(), drawn);
}
