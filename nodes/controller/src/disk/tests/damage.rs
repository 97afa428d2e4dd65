//! Damage inside what was acknowledged: refused, with nothing changed.

use super::*;

/// A closed log over several files.
fn several_files(path: &Path) -> Vec<PathBuf> {
    let (_folder, mut log, _) = open(path);
    fill(&mut log, 1..=120, 1);
    drop(log);
    let files = record_files(path);
    assert!(files.len() >= 3, "{files:?}");
    files
}

/// Opens the log, which must be refused and left as it is.
fn refused_untouched(path: &Path) -> LogError {
    let before = contents(path);
    let error = refusal(path);
    assert_eq!(contents(path), before, "{error}");
    assert!(error.to_string().contains("Restore the data folder from a backup"), "{error}");
    error
}

#[test]
fn a_flipped_bit_anywhere_before_the_last_record() {
    let source = tempfile::tempdir().expect("a folder");
    let files = several_files(source.path());
    for (place, file) in files.iter().enumerate() {
        let is_last_file = place + 1 == files.len();
        let whole = fs::read(file).expect("read");
        let starts = record_starts(file);
        // The file's own header, and in the first, a middle and the last record: the length, the compression
        // type, the offset, the content, the checksums.
        let ends = if is_last_file { starts.len() - 2 } else { starts.len() - 1 };
        let mut places = vec![0, 54, 68];
        for record in [0, ends / 2, ends - 1] {
            let (start, end) = (starts[record], starts[record + 1]);
            places.extend([
                start,
                start + 5,
                start + 6,
                start + 7,
                start + 15,
                start + 20,
                (start + end) / 2,
                end - 1,
            ]);
        }
        for at in places {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(file, &bytes).expect("flipped");
            let error = refused_untouched(source.path());
            let LogError::Damaged { file: told, offset, next_valid } = &error else {
                panic!("file {place}, byte {at}: {error}");
            };
            let bad =
                if at < starts[0] { 0 } else { starts[starts.partition_point(|&start| start <= at) - 1] };
            assert_eq!((told, *offset), (&file.canonicalize().expect("there"), bad as u64), "byte {at}");
            let next = if at < starts[0] {
                Some(starts[0])
            } else {
                starts.iter().copied().find(|&start| start > at)
            };
            if let Some((next_file, next_offset)) =
                next_valid.as_ref().filter(|(next_file, _)| next_file == told)
            {
                assert_eq!(Some(*next_offset as usize), next, "byte {at} of {}", next_file.display());
            }
            assert!(next_valid.is_some(), "{error}");
        }
        fs::write(file, &whole).expect("restored");
    }
    let (_folder, log, recovered) = open(source.path());
    assert_eq!((recovered.last_index, recovered.torn_tail), (120, None));
    assert_eq!(all(&log).len(), 120);
}

#[test]
fn a_missing_file() {
    let source = tempfile::tempdir().expect("a folder");
    let files = several_files(source.path());
    for (place, file) in files.iter().enumerate() {
        let bytes = fs::read(file).expect("read");
        fs::remove_file(file).expect("removed");
        let error = refused_untouched(source.path());
        match (place, &error) {
            (0, LogError::Incomplete { .. }) => {
                assert!(error.to_string().contains("entries 1 to"), "{error}")
            }
            (_, LogError::MissingFile { file: told }) => assert_eq!(told.file_name(), file.file_name()),
            _ => panic!("{error}"),
        }
        fs::write(file, &bytes).expect("restored");
    }
}

#[test]
fn all_files_missing() {
    let source = tempfile::tempdir().expect("a folder");
    for file in several_files(source.path()) {
        fs::remove_file(file).expect("removed");
    }
    assert!(matches!(refused_untouched(source.path()), LogError::MissingFile { .. }));
}

#[test]
fn an_emptied_log() {
    let source = tempfile::tempdir().expect("a folder");
    let (_folder, mut log, _) = open(source.path());
    fill(&mut log, 1..=3, 1);
    drop((log, _folder));
    let file = record_files(source.path()).remove(0);
    let whole = fs::read(&file).expect("read");
    for len in [0, 10, super::super::record::FILE_HEADER] {
        fs::write(&file, &whole[..len]).expect("emptied");
        let error = refused_untouched(source.path());
        match len {
            super::super::record::FILE_HEADER => {
                assert!(matches!(error, LogError::Incomplete { .. }), "{error}")
            }
            _ => assert!(matches!(error, LogError::Damaged { offset: 0, next_valid: None, .. }), "{error}"),
        }
    }
}

#[test]
fn an_end_cut_off_before_what_was_committed() {
    let source = tempfile::tempdir().expect("a folder");
    let (_folder, mut log, _) = open(source.path());
    fill(&mut log, 1..=5, 1);
    // The hard state of a later record names entries that its own file has lost by then.
    log.append(&[write(vec![], committed(1, 5))]).expect("written");
    drop((log, _folder));
    let file = record_files(source.path()).remove(0);
    let (starts, whole) = (record_starts(&file), fs::read(&file).expect("read"));
    let [.., start, end, _] = starts[..] else { panic!("{starts:?}") };
    let without_the_fifth = [&whole[..start], &whole[end..]].concat();
    fs::write(&file, without_the_fifth).expect("cut");
    let error = refused_untouched(source.path());
    assert!(error.to_string().contains("ends at entry 4, but entry 5 was committed"), "{error}");
}
