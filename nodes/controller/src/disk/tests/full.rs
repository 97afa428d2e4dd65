//! A disk without space: the log goes on for as long as its reserve lasts, and says what to do.

use std::process::Command;
use std::time::{Duration, Instant};

use super::*;

/// A small file system of its own, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount(test: &str, kib: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kib}k,mode=700"), "tmpfs"])
            .arg(dir.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir)),
            Ok(output) => {
                println!("skipped: {test}: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: {test}: mount: {error}");
                None
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Leaves about `kib` free.
    fn fill_up_to(&self, kib: u64) {
        let stat = rustix::fs::statvfs(self.0.path()).expect("looked at");
        let free = stat.f_bavail * stat.f_frsize;
        fs::write(self.0.path().join("ballast"), vec![1; (free - (kib << 10)) as usize]).expect("filled");
    }

    fn make_space(&self) {
        fs::remove_file(self.0.path().join("ballast")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let done = Command::new("umount").arg("-l").arg(self.0.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "cannot unmount {}", self.0.path().display());
    }
}

fn options() -> LogOptions {
    LogOptions { reserve_bytes: 2 << 20, file_bytes: 256 << 10, ahead_bytes: 64 << 10 }
}

fn write_until(log: &mut DurableLog, mut done: impl FnMut(&DurableLog, Option<LogError>) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "no end in sight");
        let (index, commit) = (log.last_index() + 1, log.last_index());
        let entry = LogEntry { data: vec![index as u8; 3000], ..entry(index, 1) };
        let refused = log.append(&[write(vec![entry], committed(1, commit))]).err();
        if done(log, refused) {
            return;
        }
    }
}

#[test]
fn the_log_goes_on_while_its_reserve_lasts() {
    let Some(disk) = SmallDisk::mount("the_log_goes_on_while_its_reserve_lasts", 16 << 10) else {
        return;
    };
    let folder = DataFolder::open(disk.data()).expect("a usable folder");
    let (mut log, _) = DurableLog::open(&folder, options()).expect("a usable log");
    assert_eq!(log.pressure(), None);
    disk.fill_up_to(500);
    write_until(&mut log, |log, refused| {
        assert!(refused.is_none(), "{refused:?}");
        log.pressure().is_some()
    });
    let pressure = log.pressure().expect("pressure");
    let text = pressure.to_string();
    assert!(text.contains("is full") && text.contains(&folder.log().display().to_string()), "{text}");
    let at_pressure = log.last_index();

    // Consensus goes on for most of the reserve, then is refused without harm.
    write_until(&mut log, |_, refused| match refused {
        None => false,
        Some(error) => {
            assert!(matches!(error, LogError::DiskFull { .. }), "{error}");
            assert!(error.to_string().contains("free some space"), "{error}");
            true
        }
    });
    let last = log.last_index();
    assert!((last - at_pressure) * 3000 > 1 << 20, "{at_pressure} to {last}");
    drop((log, folder));

    // On a disk that is still full it opens, has everything, and compaction makes space by itself.
    let folder = DataFolder::open(disk.data()).expect("a usable folder");
    let (mut log, recovered) = DurableLog::open(&folder, options()).expect("a usable log");
    assert_eq!((recovered.last_index, recovered.torn_tail), (last, None));
    log.compact_to(last - 10).expect("compacted");
    write_until(&mut log, |log, refused| {
        assert!(refused.is_none(), "{refused:?}");
        log.last_index() == last + 50
    });

    // With space back, the reserve becomes whole and the pressure ends.
    disk.make_space();
    let deadline = Instant::now() + Duration::from_secs(30);
    while log.pressure().is_some() {
        assert!(Instant::now() < deadline, "{:?}", log.pressure());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(log);
    let (log, recovered) = DurableLog::open(&folder, options()).expect("a usable log");
    assert_eq!((recovered.first_index, recovered.last_index), (last - 9, last + 50));
    assert!(
        log.entries(last - 9, last + 51, usize::MAX)
            .expect("read")
            .iter()
            .all(|it| it.data == vec![it.index as u8; 3000])
    );
}

#[test]
fn a_disk_too_small_for_the_reserve_is_pressure_from_the_start() {
    let name = "a_disk_too_small_for_the_reserve_is_pressure_from_the_start";
    let Some(disk) = SmallDisk::mount(name, 1 << 10) else {
        return;
    };
    let folder = DataFolder::open(disk.data()).expect("a usable folder");
    let (mut log, _) = DurableLog::open(&folder, options()).expect("a usable log");
    let pressure = log.pressure().expect("pressure");
    assert_eq!((pressure.reserve_bytes, pressure.reserve_full_bytes), (0, 2 << 20));
    fill(&mut log, 1..=3, 1);
}

#[test]
fn a_snapshot_that_does_not_fit_leaves_the_others() {
    let Some(disk) = SmallDisk::mount("a_snapshot_that_does_not_fit_leaves_the_others", 1 << 10) else {
        return;
    };
    let folder = DataFolder::open(disk.data()).expect("a usable folder");
    let store = super::super::SnapshotStore::of(&folder);
    let point = |index| tidegate_scheduler::consensus::SnapshotPoint { index, term: 1, ..Default::default() };
    store.save(&point(1), &b"one"[..]).expect("saved");
    let error = store.save(&point(2), &vec![1; 2 << 20][..]).expect_err("no space");
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(fs::read_dir(folder.snapshots()).expect("listed").count(), 1);
    assert_eq!(store.load_latest().expect("loaded").found, Some((point(1), b"one".to_vec())));
}
