//! A crash in the middle of a write: the log goes on from the last whole record, and says so.

use super::*;

/// A log of three entries in one file, closed; its file, and where the last record begins and ends.
fn three_entries(path: &Path) -> (PathBuf, usize, usize) {
    let (_folder, mut log, _) = open(path);
    fill(&mut log, 1..=3, 1);
    drop(log);
    let file = record_files(path).remove(0);
    let starts = record_starts(&file);
    (file, starts[starts.len() - 2], starts[starts.len() - 1])
}

#[test]
fn cut_at_every_byte_of_the_last_record() {
    let source = tempfile::tempdir().expect("a folder");
    let (file, start, end) = three_entries(source.path());
    let name = file.file_name().expect("named");
    let whole = fs::read(&file).expect("read");
    assert!(end == whole.len() && end - start > 40, "the last record is {start}..{end} of {}", whole.len());
    for cut in start..end {
        let case = tempfile::tempdir().expect("a folder");
        copy(source.path(), case.path());
        let torn = case.path().join("log").join(name);
        fs::write(&torn, &whole[..cut]).expect("torn");
        let (_folder, mut log, recovered) = open(case.path());
        assert_eq!((recovered.first_index, recovered.last_index), (1, 2), "cut at {cut}");
        assert_eq!(all(&log), [entry(1, 1), entry(2, 1)], "cut at {cut}");
        // A remainder of zeros alone is not told from space allocated ahead, and nothing is lost by that.
        let remainder = whole[start..cut].iter().rposition(|&byte| byte != 0).map_or(0, |at| at as u64 + 1);
        let told = recovered.torn_tail.map(|tail| (tail.file, tail.offset, tail.bytes_dropped));
        let expected =
            (remainder > 0).then(|| (torn.canonicalize().expect("there"), start as u64, remainder));
        assert_eq!(told, expected, "cut at {cut}");
        fill(&mut log, 3..=4, 2);
        drop(log);
        let folder = _folder;
        let (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
        assert_eq!(recovered.torn_tail, None, "cut at {cut}");
        assert_eq!(all(&log), [entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 2)], "cut at {cut}");
    }
}

#[test]
fn pages_of_the_last_record_that_never_arrived() {
    let source = tempfile::tempdir().expect("a folder");
    let (file, start, end) = three_entries(source.path());
    let whole = fs::read(&file).expect("read");
    // Any part of it may be zeros still, with the rest in place and zeros allocated behind it.
    for (from, to) in [(start, start + 16), (start + 16, end - 8), (end - 8, end)] {
        let mut bytes = whole.clone();
        bytes[from..to].fill(0);
        bytes.resize(end + 300, 0);
        fs::write(&file, &bytes).expect("torn");
        let (_folder, log, recovered) = open(source.path());
        assert_eq!(all(&log), [entry(1, 1), entry(2, 1)], "zeros at {from}..{to}");
        let tail = recovered.torn_tail.expect("a torn tail");
        assert_eq!(tail.offset, start as u64);
        assert!(tail.bytes_dropped > 0 && tail.bytes_dropped <= (end - start) as u64, "{tail:?}");
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_is_a_torn_tail() {
    let source = tempfile::tempdir().expect("a folder");
    let (file, start, end) = three_entries(source.path());
    let whole = fs::read(&file).expect("read");
    for at in start..end {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&file, &bytes).expect("flipped");
        let (_folder, log, recovered) = open(source.path());
        assert_eq!(log.last_index(), 2, "flipped at {at}");
        assert_eq!(recovered.torn_tail.expect("a torn tail").offset, start as u64, "flipped at {at}");
    }
}

#[test]
fn a_file_that_was_just_being_made() {
    let source = tempfile::tempdir().expect("a folder");
    let (file, _, _) = three_entries(source.path());
    let header = fs::read(&file).expect("read")[..super::super::record::FILE_HEADER].to_vec();
    for (len, zeros) in [(0, 0), (0, 100), (10, 0), (10, 100), (header.len() - 1, 0), (header.len(), 100)] {
        let case = tempfile::tempdir().expect("a folder");
        copy(source.path(), case.path());
        let mut bytes = header[..len].to_vec();
        bytes.resize(len + zeros, 0);
        fs::write(case.path().join("log/0000000000000002.raftlog"), &bytes).expect("half made");
        let (folder, mut log, recovered) = open(case.path());
        let is_torn = len > 0 && len < header.len();
        assert_eq!(recovered.torn_tail.is_some(), is_torn, "{len} bytes and {zeros} zeros");
        fill(&mut log, 4..=60, 1);
        drop(log);
        let (log, recovered) = DurableLog::open(&folder, small()).expect("a usable log");
        assert_eq!((recovered.last_index, recovered.torn_tail), (60, None));
        assert_eq!(all(&log), (1..=60).map(|index| entry(index, 1)).collect::<Vec<_>>());
    }
}
