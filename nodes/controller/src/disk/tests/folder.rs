//! Whose a data folder is.

use std::os::unix::fs::PermissionsExt;

use super::super::FolderError;
use super::*;

#[test]
fn made_private_with_its_parts() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("deep/data");
    let folder = DataFolder::open(&path).expect("made");
    for part in [
        folder.path().to_path_buf(),
        folder.log(),
        folder.snapshots(),
        folder.store(),
        folder.tls(),
        folder.nodes(),
    ] {
        let mode = fs::metadata(&part).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", part.display());
    }
    for file in ["format", "lock"] {
        let mode = fs::metadata(path.join(file)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    assert_eq!(fs::read_to_string(path.join("format")).expect("read"), "tidegate 2\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("opened to others");
    drop(folder);
    DataFolder::open(&path).expect("opened");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = DataFolder::open(dir.path()).expect("made");
    let error = DataFolder::open(dir.path()).expect_err("in use");
    assert!(
        matches!(error, FolderError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())) && text.contains("stop that one"),
        "{text}"
    );
    drop(folder);
    DataFolder::open(dir.path()).expect("free again");
}

#[test]
fn a_newer_an_older_or_unreadable_format_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    drop(DataFolder::open(dir.path()).expect("made"));
    fs::write(dir.path().join("format"), "tidegate 3\n").expect("written");
    let error = DataFolder::open(dir.path()).expect_err("newer");
    assert!(matches!(error, FolderError::NewerFormat { found: 3, supported: 2, .. }), "{error:?}");
    fs::write(dir.path().join("format"), "tidegate 1\n").expect("written");
    let error = DataFolder::open(dir.path()).expect_err("older");
    assert!(matches!(error, FolderError::OlderFormat { found: 1, oldest: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("choose an empty folder"), "{error}");
    assert_eq!(fs::read_to_string(dir.path().join("format")).expect("read"), "tidegate 1\n");
    for garbage in [&b"banana"[..], &[0xff, 0xfe], b""] {
        fs::write(dir.path().join("format"), garbage).expect("written");
        let error = DataFolder::open(dir.path()).expect_err("unreadable");
        assert!(matches!(error, FolderError::BadFormat { .. }), "{error:?}");
    }
}

#[test]
fn other_files_may_lie_beside_ours() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("up.log"), "a line").expect("written");
    drop(DataFolder::open(dir.path()).expect("opened"));
    assert_eq!(fs::read(dir.path().join("up.log")).expect("read"), b"a line");
}

#[test]
fn somebody_elses_folder_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("log")).expect("made");
    let error = DataFolder::open(dir.path()).expect_err("not ours");
    assert!(matches!(&error, FolderError::NotOurs { example, .. } if example == "log"), "{error:?}");
    assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1);
}
