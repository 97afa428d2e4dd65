use super::*;
use tidegate_scheduler::consensus::EntryKind;

fn disk() -> Disk {
    Disk::new(Speed { sync_min: Micros(100), sync_mean: Micros(100), bytes_per_second: 1_000_000 })
}

fn entry(index: u64, term: u64) -> LogEntry {
    LogEntry { index, term, kind: EntryKind::Commands, data: vec![1, 2, 3] }
}

fn persist(number: u64, entries: Vec<LogEntry>) -> Persist {
    Persist { number, entries, must_sync: true, ..Persist::default() }
}

fn point(index: u64) -> SnapshotPoint {
    SnapshotPoint { index, term: 1, ..SnapshotPoint::default() }
}

fn indexes(disk: &mut Disk) -> Vec<(u64, u64)> {
    let back = disk.read_back().expect("a sound disk");
    back.restored.entries.iter().map(|entry| (entry.index, entry.term)).collect()
}

#[test]
fn what_arrives_during_a_sync_goes_with_the_next() {
    let (mut disk, mut random) = (disk(), Random::new(1));
    assert!(disk.write(persist(1, vec![entry(1, 1)]), &mut random).is_some_and(|pause| pause >= Micros(100)));
    assert_eq!(disk.write(persist(2, vec![entry(2, 1)]), &mut random), None);
    assert_eq!(disk.write(persist(3, vec![entry(3, 1)]), &mut random), None);
    assert!(!disk.holds(1, 1));
    let (number, next) = disk.synced(&mut random);
    assert_eq!(number, Some(1));
    assert!(next.is_some() && disk.holds(1, 1) && !disk.holds(2, 1));
    assert_eq!(disk.synced(&mut random), (Some(3), None));
    assert!(disk.holds(3, 1) && !disk.holds(3, 2));
}

#[test]
fn a_later_term_overwrites_and_a_snapshot_begins_anew() {
    let (mut disk, mut random) = (disk(), Random::new(1));
    disk.write(persist(1, vec![entry(1, 1), entry(2, 1), entry(3, 1)]), &mut random);
    disk.synced(&mut random);
    disk.write(persist(2, vec![entry(2, 2)]), &mut random);
    disk.synced(&mut random);
    assert_eq!(indexes(&mut disk), [(1, 1), (2, 2)]);
    disk.save(point(9), vec![7]);
    disk.write(Persist { snapshot: Some(point(9)), ..persist(3, vec![entry(10, 3)]) }, &mut random);
    disk.synced(&mut random);
    assert_eq!(indexes(&mut disk), [(10, 3)]);
    assert!(disk.holds(5, 1) && disk.holds(10, 3));
}

#[test]
fn a_crash_takes_what_is_on_its_way_or_leaves_it_whole() {
    let mut seen = Vec::new();
    for seed in 0..40 {
        let (mut disk, mut random) = (disk(), Random::new(seed));
        disk.write(persist(1, vec![entry(1, 1)]), &mut random);
        disk.synced(&mut random);
        disk.write(persist(2, vec![entry(2, 1)]), &mut random);
        disk.write(persist(3, vec![entry(3, 1)]), &mut random);
        let remains = disk.crash(&mut random);
        let left = indexes(&mut disk).len();
        assert_eq!(left, if remains == Remains::Whole { 2 } else { 1 });
        seen.push(remains);
    }
    for remains in [Remains::Whole, Remains::Torn, Remains::Lost] {
        assert!(seen.contains(&remains), "{remains:?}");
    }
    assert_eq!(disk().crash(&mut Random::new(1)), Remains::Nothing);
}

#[test]
fn a_damaged_snapshot_is_refused_and_the_good_one_before_it_used() {
    for (flaw, cut_short) in [(Flaw::Truncated, true), (Flaw::BitFlipped, false)] {
        let (mut disk, mut random) = (disk(), Random::new(1));
        disk.write(persist(1, (1..=9).map(|index| entry(index, 1)).collect()), &mut random);
        disk.synced(&mut random);
        disk.save(point(3), vec![3]);
        disk.compact(3);
        disk.save(point(6), vec![6]);
        assert!(disk.spoil_snapshot(flaw, &mut random));
        let back = disk.read_back().expect("the log reaches back far enough");
        assert_eq!((back.image, back.restored.point.index), (Some(vec![3]), 3));
        assert_eq!((back.refused.len(), back.refused[0].cut_short), (1, cut_short));
        assert_ne!(back.refused[0].image, [6], "the bytes themselves are damaged");
        assert_eq!(back.restored.entries.first().map(|entry| entry.index), Some(4));
    }
}

#[test]
fn a_gap_is_refused() {
    let (mut disk, mut random) = (disk(), Random::new(1));
    disk.write(persist(1, (1..=9).map(|index| entry(index, 1)).collect()), &mut random);
    disk.synced(&mut random);
    disk.save(point(3), vec![3]);
    disk.save(point(6), vec![6]);
    disk.compact(6);
    assert!(disk.is_sound() && disk.spoil_snapshot(Flaw::Missing, &mut random));
    assert_eq!(disk.read_back().err(), Some(Unusable::Gap { first: 7, snapshot: 3 }));
}

#[test]
fn a_damaged_log_is_refused() {
    let mut disk = disk();
    disk.rot();
    assert_eq!(disk.read_back().err(), Some(Unusable::Log));
}

#[test]
fn a_misdirected_write_is_found_at_the_next_start() {
    let (mut disk, mut random) = (disk(), Random::new(1));
    disk.write(persist(1, vec![entry(1, 1), entry(2, 1)]), &mut random);
    disk.synced(&mut random);
    assert!(!disk.misdirect(), "nothing lies between");
    disk.write(persist(2, (3..=6).map(|index| entry(index, 1)).collect()), &mut random);
    disk.synced(&mut random);
    assert!(disk.misdirect() && !disk.is_sound());
    assert_eq!(disk.read_back().err(), Some(Unusable::Overwritten));
    disk.save(point(6), vec![6]);
    disk.compact(5);
    assert!(!disk.is_sound(), "the place where it should be is empty");
    disk.compact(6);
    assert!(disk.is_sound(), "nobody reads either place again");
}

#[test]
fn a_snapshot_that_the_log_does_not_lead_to_begins_it_anew() {
    for (term, kept) in [(1, 2), (2, 0)] {
        let (mut disk, mut random) = (disk(), Random::new(1));
        disk.write(persist(1, (1..=8).map(|index| entry(index, 1)).collect()), &mut random);
        disk.synced(&mut random);
        disk.save(SnapshotPoint { term, ..point(6) }, vec![6]);
        let back = disk.read_back().expect("a sound disk");
        assert_eq!((back.restored.entries.len(), back.begun_anew), (kept, kept == 0));
        assert_eq!(disk.last(), 6 + kept as u64);
    }
}

#[test]
fn a_slow_disk_takes_longer() {
    let (mut disk, mut random) = (disk(), Random::new(1));
    disk.slow(100);
    assert!(disk.write(persist(1, Vec::new()), &mut random).is_some_and(|pause| pause >= Micros(10_000)));
    assert!(disk.transfer(50_000) >= Micros::seconds(5) && disk.transfer(1 << 30) <= Micros::seconds(11));
}
