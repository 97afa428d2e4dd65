//! A full disk is said plainly, loses nothing, and is no longer full once something was removed.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tidegate_store::{BlobStore, Digest, StoreError, StoreOptions};

/// A file system of a few megabytes; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "{} stays mounted", self.0.path().display());
    }
}

fn blob(i: u32, size: usize) -> Vec<u8> {
    [&i.to_le_bytes()[..], &vec![7; size]].concat()
}

/// Stores until the disk is full; checks what is said, and that all that was acknowledged is there.
fn fill(store: &BlobStore, size: usize) -> Vec<Digest> {
    let mut stored = Vec::new();
    let error = loop {
        match store.put(blob(stored.len() as u32, size)) {
            Ok(digest) => stored.push(digest),
            Err(error) => break error,
        }
        assert!(stored.len() < 10_000, "the disk never filled");
    };
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    let message = error.to_string();
    let folder = store.folder().to_str().unwrap();
    assert!(message.contains(folder) && message.contains("free some space"), "{message}");
    assert!(!stored.is_empty());
    for digest in &stored {
        assert_eq!(store.get(digest).unwrap().unwrap().len(), size + 4);
    }
    stored
}

fn check_after_reopening(store: BlobStore, options: StoreOptions, digests: &[Digest]) {
    let folder = store.folder().to_owned();
    drop(store);
    let store = BlobStore::open(folder, options).unwrap();
    for digest in digests {
        assert!(store.get(digest).unwrap().is_some());
    }
}

#[test]
fn a_disk_filled_to_the_brim_is_said_and_survived() {
    for size in [5_000, 300_000] {
        let Some(disk) = SmallDisk::mount(8) else {
            println!(
                "skipped: a_disk_filled_to_the_brim_is_said_and_survived (a tmpfs cannot be mounted here)"
            );
            return;
        };
        let others = disk.path().join("others");
        std::fs::write(&others, vec![1; 2 << 20]).unwrap();
        let options = StoreOptions { keep_free: 0, ..StoreOptions::default() };
        let store = BlobStore::open(disk.path().join("store"), options).unwrap();
        let mut stored = fill(&store, size);
        // Even the last bytes are used: now the system itself refuses.
        let mut filler = std::fs::File::create(disk.path().join("filler")).unwrap();
        std::io::copy(&mut std::io::repeat(1), &mut filler).unwrap_err();
        assert!(matches!(store.put(blob(1 << 20, size)), Err(StoreError::DiskFull { free: 0, .. })));

        std::fs::remove_file(&others).unwrap();
        stored.push(store.put(blob(1 << 21, size)).unwrap());
        check_after_reopening(store, options, &stored);
    }
}

#[test]
fn with_room_kept_free_a_full_store_can_remove() {
    for size in [5_000, 300_000] {
        let Some(disk) = SmallDisk::mount(12) else {
            println!("skipped: with_room_kept_free_a_full_store_can_remove (a tmpfs cannot be mounted here)");
            return;
        };
        let options = StoreOptions { keep_free: 3 << 20, ..StoreOptions::default() };
        let store = BlobStore::open(disk.path().join("store"), options).unwrap();
        let mut stored = fill(&store, size);
        let half = stored.split_off(stored.len() / 2);
        assert_eq!(store.remove(&half, Duration::ZERO).unwrap().blobs, half.len() as u64);
        stored.push(store.put(blob(1 << 21, size)).unwrap());
        check_after_reopening(store, options, &stored);
    }
}
