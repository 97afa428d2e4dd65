//! A log's ordinary life: writing, overwriting, compacting, reading.

use tidegate_scheduler::consensus::SnapshotPoint;

use super::*;

#[test]
fn a_new_log_is_empty_and_stays_so() {
    let dir = tempfile::tempdir().expect("a folder");
    for _ in 0..3 {
        let (_folder, log, recovered) = open(dir.path());
        let hard_state = HardState::default();
        assert_eq!(recovered, Recovered { hard_state, first_index: 1, last_index: 0, torn_tail: None });
        assert_eq!(log.term(0).expect("before the first"), 0);
        assert_eq!(all(&log), []);
    }
}

#[test]
fn several_persists_are_one_write_and_come_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, mut log, _) = open(dir.path());
    let persists = [
        write(vec![entry(1, 1), entry(2, 1)], committed(1, 0)),
        write(vec![], committed(2, 1)),
        write(vec![entry(2, 2), entry(3, 2)], None),
    ];
    let file = record_files(dir.path()).remove(0);
    let before = record_starts(&file).len();
    log.append(&persists).expect("written");
    assert_eq!(record_starts(&file).len(), before + 1);
    drop(log);
    let (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
    assert_eq!(recovered.hard_state, HardState { term: 2, vote: 1, commit: 1 });
    assert_eq!(all(&log), [entry(1, 1), entry(2, 2), entry(3, 2)]);
}

#[test]
fn a_commit_that_moves_alone_waits_for_the_next_write() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, mut log, _) = open(dir.path());
    fill(&mut log, 1..=2, 1);
    let file = record_files(dir.path()).remove(0);
    let before = fs::read(&file).expect("read");
    let lazy = Persist { number: 1, hard_state: committed(1, 2), ..Persist::default() };
    log.append(&[lazy]).expect("taken");
    assert_eq!(fs::read(&file).expect("read"), before);
    log.append(&[write(vec![entry(3, 1)], None)]).expect("written");
    drop(log);
    let (_, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
    assert_eq!(recovered.hard_state.commit, 2);
}

#[test]
fn a_suffix_is_overwritten_across_files() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, mut log, _) = open(dir.path());
    for index in 1..=100 {
        log.append(&[write(vec![entry(index, 1)], committed(1, index.min(60)))]).expect("written");
    }
    assert!(record_files(dir.path()).len() >= 3);
    log.append(&[write(vec![entry(61, 2), entry(62, 2)], committed(2, 60))]).expect("written");
    for _ in 0..2 {
        assert_eq!(log.last_index(), 62);
        let expected: Vec<_> =
            (1..=60).map(|index| entry(index, 1)).chain([entry(61, 2), entry(62, 2)]).collect();
        assert_eq!(all(&log), expected);
        drop(log);
        log = DurableLog::open(&folder, small()).expect("a usable log").0;
    }
}

#[test]
fn what_does_not_continue_the_log_is_refused_unwritten() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_folder, mut log, _) = open(dir.path());
    fill(&mut log, 1..=5, 1);
    log.compact_to(2).expect("compacted");
    let before = contents(dir.path());
    for (entries, hard_state) in [
        (vec![entry(7, 1)], None),
        (vec![entry(6, 1), entry(8, 1)], None),
        (vec![entry(4, 2)], None),
        (vec![entry(2, 2)], None),
        (vec![entry(6, 1)], committed(1, 7)),
    ] {
        let error = log.append(&[write(entries, hard_state)]).expect_err("refused");
        assert!(matches!(error, LogError::OutOfOrder { .. }), "{error}");
    }
    assert!(matches!(log.compact_to(5), Err(LogError::OutOfOrder { .. })));
    assert_eq!(contents(dir.path()), before);
    fill(&mut log, 6..=6, 1);
}

#[test]
fn compacted_and_reopened() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, mut log, _) = open(dir.path());
    let mut indexes = 1..;
    for round in 1..=6 {
        let upper = indexes.start + 59;
        fill(&mut log, indexes.start..=upper, round);
        indexes.start = upper + 1;
        let oldest = record_files(dir.path()).remove(0);
        log.compact_to(upper - 10).expect("compacted");
        assert!(!oldest.exists(), "{}", oldest.display());
        log.compact_to(3).expect("nothing to do");
        assert_eq!((log.first_index(), log.last_index()), (upper - 9, upper));
        drop(log);
        let recovered;
        (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
        assert_eq!((recovered.first_index, recovered.last_index), (upper - 9, upper));
        assert_eq!(recovered.hard_state.commit, upper - 1);
        assert_eq!(all(&log), (upper - 9..=upper).map(|index| entry(index, round)).collect::<Vec<_>>());
        assert_eq!(log.term(upper - 10).expect("known"), round);
        assert!(matches!(log.term(upper - 11), Err(LogError::Compacted { .. })));
        assert!(matches!(log.entries(upper, upper + 2, 1), Err(LogError::NotReached { .. })));
    }
}

#[test]
fn compacted_to_its_very_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, mut log, _) = open(dir.path());
    fill(&mut log, 1..=90, 1);
    log.append(&[write(vec![], committed(1, 90))]).expect("written");
    log.compact_to(90).expect("compacted");
    for last in 90..=92 {
        assert_eq!((log.first_index(), log.last_index(), log.term(90).expect("known")), (91, last, 1));
        fill(&mut log, last + 1..=last + 1, 1);
        drop(log);
        log = DurableLog::open(&folder, small()).expect("a usable log").0;
    }
}

#[test]
fn begun_again_after_a_snapshot_from_elsewhere() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, mut log, _) = open(dir.path());
    for snapshot in [200, 210, 1000] {
        let first = log.last_index() + 1;
        let entries = (first..first + 80).map(|index| entry(index, 1)).collect();
        log.append(&[write(entries, None)]).expect("written");
        let point = SnapshotPoint { index: snapshot, term: 9, ..SnapshotPoint::default() };
        log.restart_after(&point, HardState { term: 9, vote: 0, commit: snapshot }).expect("begun again");
        drop(log);
        let recovered;
        (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
        assert_eq!((recovered.first_index, recovered.last_index), (snapshot + 1, snapshot));
        assert_eq!((recovered.hard_state.commit, log.term(snapshot).expect("known")), (snapshot, 9));
        fill(&mut log, snapshot + 1..=snapshot + 3, 9);
        assert_eq!(all(&log).len(), 3);
        assert!(matches!(
            log.restart_after(&SnapshotPoint::default(), HardState::default()),
            Err(LogError::OutOfOrder { .. })
        ));
    }
}

#[test]
fn reading_stops_at_the_size_asked_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let (_folder, mut log, _) = open(dir.path());
    let entries = (1..=10).map(|index| LogEntry { data: vec![7; 100], ..entry(index, 1) }).collect();
    log.append(&[write(entries, None)]).expect("written");
    assert_eq!(log.entries(2, 9, 0).expect("read").len(), 1);
    assert_eq!(log.entries(2, 9, 400).expect("read").len(), 3);
    assert_eq!(log.entries(2, 9, usize::MAX).expect("read").len(), 7);
    assert_eq!(log.entries(9, 9, 0).expect("read").len(), 0);
}

#[test]
fn two_logs_read_by_one_thread_are_not_mixed_up() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let logs = [1, 2].map(|term| {
        let (_folder, mut log, _) = open(dirs[term as usize - 1].path());
        fill(&mut log, 1..=1, term);
        log
    });
    for _ in 0..2 {
        assert_eq!(all(&logs[0]), [entry(1, 1)]);
        assert_eq!(all(&logs[1]), [entry(1, 2)]);
    }
}

#[test]
fn the_log_keeps_the_folder_locked() {
    let dir = tempfile::tempdir().expect("a folder");
    let (folder, log, _) = open(dir.path());
    drop(folder);
    DataFolder::open(dir.path()).expect_err("in use");
    drop(log);
    DataFolder::open(dir.path()).expect("free again");
}

#[test]
fn random_lives_match_a_plain_list() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    for seed in 0..12 {
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().expect("a folder");
        let (folder, mut log, _) = open(dir.path());
        let (mut expected, mut first, mut commit, mut term) = (Vec::new(), 1u64, 0u64, 1);
        for _ in 0..150 {
            let last = first + expected.len() as u64 - 1;
            match random.random_range(0..20) {
                0 => {
                    drop(log);
                    let recovered;
                    (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
                    assert_eq!((recovered.first_index, recovered.last_index), (first, last));
                    // A commit that moved alone may be behind.
                    assert!(recovered.hard_state.commit <= commit);
                    commit = recovered.hard_state.commit;
                }
                1 if commit >= first => {
                    let to = random.random_range(first..=commit);
                    log.compact_to(to).expect("compacted");
                    expected.drain(..(to + 1 - first) as usize);
                    first = to + 1;
                }
                2 => {
                    commit = random.random_range(commit..=last.max(commit));
                    let hard_state = Some(HardState { term, vote: 0, commit });
                    let persist = Persist { number: 1, hard_state, ..Persist::default() };
                    log.append(&[persist]).expect("taken");
                }
                _ => {
                    term += u64::from(random.random_ratio(1, 5));
                    let from = if random.random_ratio(1, 4) {
                        random.random_range(commit.max(first - 1) + 1..=last + 1)
                    } else {
                        last + 1
                    };
                    let entries: Vec<_> =
                        (from..from + random.random_range(1..20)).map(|i| entry(i, term)).collect();
                    expected.truncate((from - first) as usize);
                    expected.extend(entries.iter().cloned());
                    let hard_state = Some(HardState { term, vote: 0, commit });
                    log.append(&[write(entries, hard_state)]).expect("written");
                }
            }
            assert_eq!(
                (log.first_index(), log.last_index() + 1 - log.first_index()),
                (first, expected.len() as u64)
            );
        }
        assert_eq!(all(&log), expected);
    }
}
