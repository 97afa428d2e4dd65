//! Snapshots survive what happens to one of them.

use tidegate_scheduler::consensus::{Members, SnapshotPoint};

use super::super::SnapshotStore;
use super::*;

fn point(index: u64) -> SnapshotPoint {
    SnapshotPoint { index, term: 3, members: Members { learners: vec![4], ..Members::of(&[1, 2, 3]) } }
}

fn image(index: u64) -> Vec<u8> {
    (0..3000).map(|at| (at * index) as u8).collect()
}

fn store(path: &Path) -> (DataFolder, SnapshotStore) {
    let folder = DataFolder::open(path).expect("a usable folder");
    let store = SnapshotStore::of(&folder);
    (folder, store)
}

fn files(folder: &DataFolder) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder.snapshots()).expect("listed").map(|file| file.expect("listed").path()).collect();
    files.sort();
    files
}

#[test]
fn the_newest_two_are_kept() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, store) = store(dir.path());
    assert!(store.load_latest().expect("loaded").found.is_none());
    for index in [5, 90, 1000] {
        store.save(&point(index), &image(index)[..]).expect("saved");
        let latest = store.load_latest().expect("loaded");
        assert_eq!((latest.found, latest.refused), (Some((point(index), image(index))), vec![]));
    }
    assert_eq!(files(&folder).len(), 2);
    assert_eq!(store.compactable().expect("listed"), Some(90));
}

#[test]
fn every_cut_and_flip_falls_back_to_the_one_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, store) = store(dir.path());
    store.save(&point(1), &image(1)[..]).expect("saved");
    store.save(&point(2), &image(2)[..]).expect("saved");
    let newest = files(&folder).remove(1);
    let whole = fs::read(&newest).expect("read");
    let cuts =
        (0..whole.len()).step_by(61).chain(whole.len() - 14..whole.len()).map(|len| whole[..len].to_vec());
    let flips = (0..whole.len()).filter(|at| *at < 40 || at % 53 == 0 || at + 14 > whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    for bytes in cuts.chain(flips) {
        fs::write(&newest, bytes).expect("damaged");
        let latest = store.load_latest().expect("loaded");
        assert_eq!(latest.found, Some((point(1), image(1))));
        let [refused] = &latest.refused[..] else { panic!("{:?}", latest.refused) };
        assert!(refused.file.exists() && !refused.reason.is_empty());
        fs::rename(&refused.file, &newest).expect("put back");
    }
}

#[test]
fn a_refused_one_does_not_crowd_out_a_whole_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, store) = store(dir.path());
    store.save(&point(1), &image(1)[..]).expect("saved");
    store.save(&point(2), &image(2)[..]).expect("saved");
    fs::write(files(&folder).remove(1), "garbage").expect("damaged");
    assert_eq!(store.load_latest().expect("loaded").refused.len(), 1);
    store.save(&point(3), &image(3)[..]).expect("saved");
    assert_eq!(store.compactable().expect("listed"), Some(1));
    fs::write(folder.snapshots().join("00000000000000000009-00000000000000000001.new"), "half")
        .expect("a crash");
    store.save(&point(4), &image(4)[..]).expect("saved");
    assert_eq!(store.compactable().expect("listed"), Some(3));
    assert_eq!(files(&folder).len(), 2, "{:?}", files(&folder));
}
