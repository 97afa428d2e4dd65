//! What a store of blobs promises.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;

const LARGE: usize = 200_000;

fn open(folder: &TempDir) -> BlobStore {
    BlobStore::open(folder.path().join("store"), StoreOptions::default()).unwrap()
}

fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed) ^ (i >> 8) as u8).collect()
}

#[test]
fn blobs_of_every_size_come_back_also_after_reopening() {
    let folder = TempDir::new().unwrap();
    let sizes = [0, 1, 1000, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, CHUNK, CHUNK + 1, 3_000_000];
    let store = open(&folder);
    let digests = store.put_many(sizes.iter().map(|size| bytes(7, *size)).collect()).unwrap();
    let streamed: Vec<_> = sizes
        .iter()
        .map(|size| {
            store.put_stream(&*bytes(9, *size), Some(Digest::of(&bytes(9, *size))), u64::MAX).unwrap()
        })
        .collect();
    let check = |store: &BlobStore| {
        for ((size, digest), (other, length)) in sizes.iter().zip(&digests).zip(&streamed) {
            assert_eq!(store.get(digest).unwrap().unwrap(), bytes(7, *size));
            assert_eq!(store.get(other).unwrap().unwrap(), bytes(9, *size));
            assert_eq!((*length, store.len(other).unwrap()), (*size as u64, Some(*size as u64)));
            let mut read = Vec::new();
            store.open_blob(digest).unwrap().unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes(7, *size));
        }
    };
    check(&store);
    let before = store.usage().unwrap();
    drop(store);
    let store = open(&folder);
    check(&store);
    let after = store.usage().unwrap();
    // The empty blob is the same in both sets.
    assert_eq!((after.small_blobs, after.file_blobs), (9, 8));
    assert_eq!((before.small_blobs, before.small_bytes), (after.small_blobs, after.small_bytes));
    assert_eq!((before.file_blobs, before.file_bytes), (after.file_blobs, after.file_bytes));
}

#[test]
fn what_is_not_there_is_missing() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let (small, large) = (store.put(b"here".to_vec()).unwrap(), store.put(bytes(1, LARGE)).unwrap());
    let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
    assert_eq!(store.missing(&[b, small, a, large]).unwrap(), [b, a]);
    assert_eq!(store.get(&a).unwrap(), None);
    assert_eq!(store.len(&a).unwrap(), None);
    assert!(store.open_blob(&a).unwrap().is_none());
}

#[test]
fn a_reader_seeks() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    for size in [1000, LARGE] {
        let digest = store.put(bytes(3, size)).unwrap();
        let mut reader = store.open_blob(&digest).unwrap().unwrap();
        assert_eq!(reader.len(), size as u64);
        reader.seek(SeekFrom::Start(500)).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, bytes(3, size)[500..]);
    }
}

#[test]
fn wrong_or_too_many_or_broken_bytes_leave_nothing() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(ErrorKind::ConnectionReset))
        }
    }
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    for size in [10, LARGE, 2_000_000] {
        let content = bytes(1, size);
        let refused = store.put_stream(&*content, Some(Digest::of(b"other")), u64::MAX);
        assert!(matches!(refused, Err(StoreError::Mismatch { .. })), "{refused:?}");
        let refused = store.put_stream(&*content, None, size as u64 - 1);
        assert!(matches!(refused, Err(StoreError::TooLarge { limit }) if limit == size as u64 - 1));
        let refused = store.put_stream(content.chain(Broken), None, u64::MAX);
        assert!(matches!(refused, Err(StoreError::Source(_))), "{refused:?}");
    }
    let usage = store.usage().unwrap();
    assert_eq!((usage.small_blobs, usage.file_blobs), (0, 0));
    assert_eq!(fs::read_dir(store.folder().join("incoming")).unwrap().count(), 0);
}

#[test]
fn waiting_puts_share_commits() {
    const THREADS: u32 = 32;
    const EACH: u32 = 40;
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let store = &store;
            scope.spawn(move || {
                for i in 0..EACH {
                    let content = format!("{thread} {i}").into_bytes();
                    let digest = store.put(content.clone()).unwrap();
                    assert_eq!(store.get(&digest).unwrap().unwrap(), content);
                }
            });
        }
    });
    let usage = store.usage().unwrap();
    assert_eq!((usage.puts, usage.small_blobs), (u64::from(THREADS * EACH), u64::from(THREADS * EACH)));
    assert!(usage.commits < usage.puts, "{usage:?}");
}

#[test]
fn a_put_that_does_not_wait_is_told_when_it_is_there() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let (tell, told) = mpsc::channel();
    for i in 0..100_u8 {
        let tell = tell.clone();
        store.put_many_then(vec![vec![i], bytes(i, LARGE)], move |result| tell.send(result).unwrap());
    }
    for _ in 0..100 {
        let digests = told.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
        assert!(store.missing(&digests).unwrap().is_empty());
    }
}

#[test]
fn the_same_content_is_kept_once() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let large = bytes(5, LARGE);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                store.put(b"same".to_vec()).unwrap();
                store.put(large.clone()).unwrap();
                store.put_stream(&*large, None, u64::MAX).unwrap();
            });
        }
    });
    let usage = store.usage().unwrap();
    assert_eq!((usage.small_blobs, usage.small_bytes), (1, 4));
    assert_eq!((usage.file_blobs, usage.file_bytes), (1, LARGE as u64));
}

#[test]
fn damaged_content_is_never_served() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let digest = store.put(bytes(1, LARGE)).unwrap();
    let file = store.file_of(&digest).unwrap();
    let mut content = fs::read(&file).unwrap();
    content[LARGE / 2] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, &content).unwrap();

    let error = store.get(&digest).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { place, .. } if *place == file));
    assert!(error.to_string().contains(file.to_str().unwrap()));
    let mut reader = store.open_blob(&digest).unwrap().unwrap();
    let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);

    // Cut short, it is damaged too, and a new put replaces it.
    fs::write(&file, &content[..100]).unwrap();
    let mut reader = store.open_blob(&digest).unwrap().unwrap();
    assert!(io::copy(&mut reader, &mut io::sink()).is_err());
    store.put(bytes(1, LARGE)).unwrap();
    assert_eq!(store.get(&digest).unwrap().unwrap(), bytes(1, LARGE));
    assert_eq!(store.usage().unwrap().file_blobs, 1);
}

#[test]
fn a_damaged_row_is_never_served_and_healed_by_a_put() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let digest = store.put(b"content".to_vec()).unwrap();
    let db = rusqlite::Connection::open(store.folder().join("small.db")).unwrap();
    db.execute("UPDATE small SET data = x'00112233'", []).unwrap();
    for error in [store.get(&digest).unwrap_err(), store.open_blob(&digest).unwrap_err()] {
        assert!(matches!(&error, StoreError::Damaged { place, .. } if place.ends_with("small.db")));
    }
    store.put(b"content".to_vec()).unwrap();
    assert_eq!(store.get(&digest).unwrap().unwrap(), b"content");
}

#[test]
fn removal_spares_what_was_stored_lately() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let all = [store.put(b"small".to_vec()).unwrap(), store.put(bytes(1, LARGE)).unwrap()];
    assert_eq!(store.remove(&all, Duration::from_secs(3600)).unwrap(), Removed::default());
    assert!(store.missing(&all).unwrap().is_empty());
    let removed = store.remove(&all, Duration::ZERO).unwrap();
    assert_eq!(removed, Removed { blobs: 2, bytes: 5 + LARGE as u64 });
    assert_eq!(store.missing(&all).unwrap(), all);
    assert_eq!(store.remove(&all, Duration::ZERO).unwrap(), Removed::default());
    let usage = store.usage().unwrap();
    assert_eq!((usage.small_blobs, usage.small_bytes, usage.file_blobs, usage.file_bytes), (0, 0, 0, 0));
}

/// A small and a large blob that were stored two hours ago.
fn old_blobs(store: &BlobStore) -> [Digest; 2] {
    let all = [store.put(b"small".to_vec()).unwrap(), store.put(bytes(1, LARGE)).unwrap()];
    let db = rusqlite::Connection::open(store.folder().join("small.db")).unwrap();
    db.execute("UPDATE small SET touched = touched - 7200", []).unwrap();
    let file = fs::File::open(store.file_of(&all[1]).unwrap()).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(7200))).unwrap();
    all
}

#[test]
fn storing_again_or_holding_renews_the_time() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let hour = Duration::from_secs(3600);
    let all = old_blobs(&store);
    store.put_many(vec![b"small".to_vec(), bytes(1, LARGE)]).unwrap();
    assert_eq!(store.remove(&all, hour).unwrap().blobs, 0);

    // As a peer pushes it.
    old_blobs(&store);
    store.put_stream(&b"small"[..], Some(all[0]), u64::MAX).unwrap();
    store.put_stream(&*bytes(1, LARGE), Some(all[1]), u64::MAX).unwrap();
    assert_eq!(store.sweep(hour, |_| false).unwrap().blobs, 0);

    old_blobs(&store);
    let absent = Digest::of(b"absent");
    assert_eq!(store.hold(&[all[0], absent, all[1]]).unwrap(), [absent]);
    assert_eq!(store.remove(&all, hour).unwrap().blobs, 0);
    assert_eq!(store.hold(&all).unwrap(), []);

    old_blobs(&store);
    assert_eq!(store.remove(&all, hour).unwrap().blobs, 2);
    assert_eq!(store.hold(&all).unwrap(), all);
}

#[test]
fn a_list_names_every_blob_once_and_in_order() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    assert_eq!(store.digests_after(None, 10).unwrap(), []);
    store.put_many((0..300_u32).map(|i| i.to_le_bytes().to_vec()).collect()).unwrap();
    store.put_many((0..40).map(|i| bytes(i, 65_537 + usize::from(i))).collect()).unwrap();
    let mut all = Vec::new();
    store.for_each(|blob| all.push(blob)).unwrap();
    all.sort_unstable_by_key(|blob| blob.digest);
    assert_eq!(all.len(), 340);
    for limit in [1, 7, 339, 340, 4096] {
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let page = store.digests_after(after, limit).unwrap();
            assert!(page.len() <= limit as usize);
            told.extend_from_slice(&page);
            match page.last() {
                Some(last) if page.len() == limit as usize => after = Some(last.digest),
                _ => break,
            }
        }
        assert_eq!(told, all, "{limit} at a time");
    }
    assert_eq!(store.digests_after(None, 0).unwrap(), []);
    assert_eq!(store.digests_after(Some(Digest::from_bytes([255; 32])), 9).unwrap(), []);
}

#[test]
fn a_sweep_removes_what_nobody_wants() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let small = store.put_many((0..2500_u32).map(|i| i.to_le_bytes().to_vec()).collect()).unwrap();
    let large = store.put_many((0..4).map(|i| bytes(i, LARGE)).collect()).unwrap();
    let mut seen = BTreeSet::new();
    store.for_each(|blob| assert!(seen.insert(blob.digest))).unwrap();
    assert_eq!(seen, small.iter().chain(&large).copied().collect());

    let wanted: BTreeSet<Digest> = [small[7], large[2]].into();
    let removed = store.sweep(Duration::ZERO, |digest| wanted.contains(digest)).unwrap();
    assert_eq!(removed.blobs, 2502);
    assert_eq!(removed.bytes, 2499 * 4 + 3 * LARGE as u64);
    assert!(store.missing(&[small[7], large[2]]).unwrap().is_empty());
}

#[test]
fn a_cache_shrinks_to_its_newest() {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions { durable: false, ..StoreOptions::default() };
    let store = BlobStore::open(folder.path().join("cache"), options).unwrap();
    let old = store.put(bytes(1, LARGE)).unwrap();
    let file = fs::File::open(store.file_of(&old).unwrap()).unwrap();
    file.set_times(fs::FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(60))).unwrap();
    let new = store.put(bytes(2, LARGE)).unwrap();
    assert_eq!(store.shrink_to(LARGE as u64 + 10).unwrap().blobs, 1);
    assert_eq!(store.missing(&[old, new]).unwrap(), [old]);
}

#[test]
fn a_damaged_cache_starts_empty_and_a_damaged_store_is_refused() {
    let folder = TempDir::new().unwrap();
    for durable in [false, true] {
        let place = folder.path().join(durable.to_string());
        fs::create_dir(&place).unwrap();
        fs::write(place.join("small.db"), vec![b'x'; 8192]).unwrap();
        let opened = BlobStore::open(&place, StoreOptions { durable, ..StoreOptions::default() });
        if durable {
            let error = opened.unwrap_err();
            assert!(
                matches!(&error, StoreError::Database { path, .. } if path.ends_with("small.db")),
                "{error}"
            );
            assert_eq!(fs::read(place.join("small.db")).unwrap(), vec![b'x'; 8192], "nothing is deleted");
        } else {
            let store = opened.unwrap();
            let digest = store.put(b"again".to_vec()).unwrap();
            assert_eq!(store.get(&digest).unwrap().unwrap(), b"again");
        }
    }
}

#[test]
fn a_newer_format_is_refused() {
    let folder = TempDir::new().unwrap();
    drop(open(&folder));
    let path = folder.path().join("store/small.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = BlobStore::open(folder.path().join("store"), StoreOptions::default());
    assert!(matches!(refused, Err(StoreError::Format { found: 99, .. })), "{refused:?}");
}

#[test]
fn one_process_at_a_time_and_one_user() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let again = BlobStore::open(store.folder(), StoreOptions::default());
    assert!(matches!(again, Err(StoreError::InUse { .. })), "{again:?}");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(store.folder()), 0o700);
    assert_eq!(mode(&store.folder().join("small.db")), 0o600);
    let clone = store.clone();
    drop(store);
    clone.put(b"a clone keeps it open".to_vec()).unwrap();
    drop(clone);
    open(&folder);
}

#[test]
fn room_for_others_is_left() {
    let folder = TempDir::new().unwrap();
    let options = StoreOptions { keep_free: 1 << 60, ..StoreOptions::default() };
    let store = BlobStore::open(folder.path().join("store"), options).unwrap();
    for size in [1, LARGE] {
        let refused = store.put(bytes(1, size));
        assert!(matches!(refused, Err(StoreError::DiskFull { keep_free, .. }) if keep_free == 1 << 60));
    }
}

#[test]
fn the_last_handle_may_go_on_the_writers_thread() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder);
    let (tell, told) = mpsc::channel();
    let last = store.clone();
    store.put_many_then(vec![b"x".to_vec()], move |result| {
        // The main thread drops its handle first.
        told.recv_timeout(Duration::from_secs(60)).unwrap();
        drop((last, result.unwrap()));
    });
    drop(store);
    tell.send(()).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while let Err(error) = BlobStore::open(folder.path().join("store"), StoreOptions::default()) {
        assert!(matches!(error, StoreError::InUse { .. }) && std::time::Instant::now() < deadline, "{error}");
        thread::yield_now();
    }
}
