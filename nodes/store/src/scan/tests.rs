//! What a scan finds, leaves out and refuses.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;
use crate::StoreOptions;

fn write(folder: &TempDir, path: &str, content: impl AsRef<[u8]>) {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn code(folder: &TempDir) -> Result<Scanned, ScanError> {
    scan_folder(folder.path(), &ScanOptions::CODE)
}

fn files(scanned: &Scanned) -> Vec<&str> {
    scanned.tree.files().map(|(path, _, _)| path).collect()
}

#[test]
fn a_folder_is_read_whole() {
    let folder = TempDir::new().unwrap();
    write(&folder, "train.py", "print()");
    write(&folder, "src/deep/er/mod.py", "x");
    write(&folder, "run.sh", "#!/bin/sh");
    fs::set_permissions(folder.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    symlink("../train.py", folder.path().join("src/link")).unwrap();

    let scanned = scan_folder(folder.path(), &ScanOptions::input(1000)).unwrap();
    let tree = &scanned.tree;
    let paths: Vec<_> = tree.entries().iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        ["empty", "run.sh", "src", "src/deep", "src/deep/er", "src/deep/er/mod.py", "src/link", "train.py"]
    );
    let file = |content: &[u8], executable| TreeKind::File {
        digest: Digest::of(content),
        size: content.len() as u64,
        executable,
    };
    assert_eq!(tree.get("train.py"), Some(&file(b"print()", false)));
    assert_eq!(tree.get("run.sh"), Some(&file(b"#!/bin/sh", true)));
    assert_eq!(tree.get("src/link"), Some(&TreeKind::Symlink { target: "../train.py".into() }));
    assert_eq!(tree.get("empty"), Some(&TreeKind::Dir));
}

#[test]
fn the_digest_depends_on_content_alone() {
    let make = || {
        let folder = TempDir::new().unwrap();
        for i in 0..50 {
            write(&folder, &format!("{}/{i}", i % 7), vec![i; 200_000]);
        }
        folder
    };
    // 10 MB: several threads read it.
    let (one, two) = (make(), make());
    let digest = code(&one).unwrap().tree.digest();
    assert_eq!(code(&two).unwrap().tree.digest(), digest);
    write(&two, "3/3", vec![0; 200_000]);
    assert_ne!(code(&two).unwrap().tree.digest(), digest);
}

#[test]
fn amlignore_counts_before_gitignore() {
    let folder = TempDir::new().unwrap();
    for path in
        ["keep.py", "data.bin", "data/big.csv", "data/keep.csv", "sub/data.bin", ".git/config", "x.log"]
    {
        write(&folder, path, path);
    }
    write(&folder, ".gitignore", "*.log\r\n");
    assert_eq!(
        files(&code(&folder).unwrap()),
        [".gitignore", "data.bin", "data/big.csv", "data/keep.csv", "keep.py", "sub/data.bin"]
    );
    write(
        &folder,
        ".amlignore",
        "\u{feff}# data\n*.bin\n!sub/data.bin\n/data/*\n!/data/keep.csv\n\n.gitignore\n",
    );
    assert_eq!(
        files(&code(&folder).unwrap()),
        [".amlignore", "data/keep.csv", "keep.py", "sub/data.bin", "x.log"]
    );
    let all = scan_folder(folder.path(), &ScanOptions::input(10_000)).unwrap();
    assert_eq!(files(&all).len(), 9);
}

#[test]
fn an_ignored_folder_is_not_even_entered() {
    let folder = TempDir::new().unwrap();
    write(&folder, ".amlignore", "venv/\n");
    write(&folder, "venv/pip", "x");
    // Anything odd in it is no matter.
    symlink("/usr/bin/python3", folder.path().join("venv/python")).unwrap();
    assert_eq!(files(&code(&folder).unwrap()), [".amlignore"]);
    write(&folder, "sub/.gitignore", "*\n");
    write(&folder, "sub/file", "only the ignore file at the top counts");
    assert!(files(&code(&folder).unwrap()).contains(&"sub/file"));
}

#[test]
fn a_meaningless_pattern_is_named() {
    let folder = TempDir::new().unwrap();
    write(&folder, ".amlignore", "fine\n[z-a]\n");
    let error = code(&folder).unwrap_err().to_string();
    assert!(error.contains(".amlignore line 2"), "{error}");
    write(&folder, ".amlignore", vec![b'x'; 2 << 20]);
    assert!(code(&folder).unwrap_err().to_string().contains("limit"));
}

#[test]
fn a_folder_too_large_names_its_largest_files() {
    let folder = TempDir::new().unwrap();
    write(&folder, "model.bin", vec![0; 5000]);
    write(&folder, "train.py", "x");
    let options = ScanOptions { max_bytes: 4000, ..ScanOptions::CODE };
    let error = scan_folder(folder.path(), &options).unwrap_err().to_string();
    for part in ["5001 bytes in 2 files", "limit of 4000", "model.bin (5000)", ".amlignore"] {
        assert!(error.contains(part), "{error}");
    }
    let error = scan_folder(folder.path(), &ScanOptions::input(4000)).unwrap_err().to_string();
    assert!(!error.contains(".amlignore"), "no ignore file counts for an input: {error}");
    write(&folder, ".amlignore", "*.bin");
    scan_folder(folder.path(), &options).unwrap();
}

#[test]
fn links_out_of_the_folder_are_refused_by_name_or_left_out() {
    let folder = TempDir::new().unwrap();
    write(&folder, "a/file", "x");
    symlink("../../outside", folder.path().join("a/out")).unwrap();
    symlink("/etc/passwd", folder.path().join("passwd")).unwrap();
    symlink(folder.path().join("a/file"), folder.path().join("latest")).unwrap();
    symlink(folder.path(), folder.path().join("a/top")).unwrap();
    let error = code(&folder).unwrap_err().to_string();
    assert!(error.contains("\"a/out\" -> \"../../outside\""), "{error}");

    let scanned = scan_folder(folder.path(), &ScanOptions::output(1000)).unwrap();
    let left_out: Vec<_> = scanned.left_out.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(left_out, ["a/out", "passwd"]);
    // What points into the folder by an absolute path is kept, and right wherever it is written.
    assert_eq!(scanned.tree.get("latest"), Some(&TreeKind::Symlink { target: "a/file".into() }));
    assert_eq!(scanned.tree.get("a/top"), Some(&TreeKind::Symlink { target: "../".into() }));
}

#[test]
fn what_no_tree_can_hold_is_refused_by_name_or_left_out() {
    let folder = TempDir::new().unwrap();
    write(&folder, "fine", "x");
    let socket = UnixListener::bind(folder.path().join("socket")).unwrap();
    let error = code(&folder).unwrap_err().to_string();
    assert!(error.contains("/socket") && error.contains(".amlignore"), "{error}");
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let scanned = scan_folder(folder.path(), &ScanOptions::output(1000)).unwrap();
    assert_eq!(files(&scanned), ["fine"]);
    assert_eq!(scanned.left_out.len(), 2);
    drop(socket);
}

#[test]
fn a_name_that_is_not_utf8_is_refused_by_name_or_left_out() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.py");
    fs::write(folder.path().join("sub").join(name), "x").unwrap();
    let error = code(&folder).unwrap_err().to_string();
    assert!(error.contains("sub") && error.contains("caf\\xE9.py"), "{error}");
    let scanned = scan_folder(folder.path(), &ScanOptions::output(1000)).unwrap();
    assert_eq!(scanned.left_out, [("sub/caf\u{fffd}.py".to_owned(), "the name is not UTF-8")]);
}

#[test]
fn what_is_not_a_folder_is_said() {
    let folder = TempDir::new().unwrap();
    write(&folder, "file", "x");
    for path in ["file", "nowhere"] {
        let error = scan_folder(&folder.path().join(path), &ScanOptions::CODE).unwrap_err().to_string();
        assert!(error.contains(path), "{error}");
    }
}

#[test]
fn a_folder_is_stored_once() {
    let (folder, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    write(&folder, "one", "same");
    write(&folder, "two", "same");
    write(&folder, "large", vec![7; 100_000]);
    let store = BlobStore::open(place.path(), StoreOptions::default()).unwrap();
    let scanned = code(&folder).unwrap();
    let digest = scanned.store_in(&store).unwrap();
    assert_eq!(code(&folder).unwrap().store_in(&store).unwrap(), digest);
    let usage = store.usage().unwrap();
    assert_eq!((usage.small_blobs, usage.file_blobs), (2, 1));
    assert_eq!(Tree::decode(&store.get(&digest).unwrap().unwrap()).unwrap(), scanned.tree);
}

#[test]
fn a_file_that_changes_meanwhile_is_said() {
    let (folder, place) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = BlobStore::open(place.path(), StoreOptions::default()).unwrap();
    for content in ["other", "longer than before"] {
        write(&folder, "file", "first");
        let scanned = code(&folder).unwrap();
        write(&folder, "file", content);
        let error = scanned.store_in(&store).unwrap_err();
        assert!(matches!(&error, ScanError::Changed(path) if path.ends_with("file")), "{error:?}");
    }
    // Swapped for a link meanwhile, it is not followed.
    let scanned = code(&folder).unwrap();
    fs::remove_file(folder.path().join("file")).unwrap();
    symlink("/etc/passwd", folder.path().join("file")).unwrap();
    assert!(matches!(scanned.store_in(&store), Err(ScanError::Io { .. })));
    assert_eq!(store.usage().unwrap().small_blobs, 0);
}
