//! The files themselves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidegate_spec::{Document, read_file, unsupported, unsupported_pool};

/// The folder of examples.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Every YAML file in it, the deeper ones too.
pub(crate) fn all() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the examples can be read") {
            let path = entry.expect("the examples can be read").path();
            match path.extension().and_then(|ending| ending.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("yml" | "yaml") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    assert!(found.len() > 10, "only {} examples", found.len());
    found
}

#[test]
fn every_example_can_be_run() {
    for path in all() {
        let wrong = match read_file(&path).unwrap_or_else(|error| panic!("{error}")) {
            Document::Command(job) => {
                for local in job.local_paths(path.parent().expect("it is in a folder")) {
                    job.check_local_path(&local).unwrap_or_else(|error| panic!("{error}"));
                }
                unsupported(&job)
            }
            Document::Pool(pool) => unsupported_pool(&pool),
        };
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
    }
}

#[test]
fn every_example_says_first_what_it_shows_and_how() {
    for path in all() {
        let text = fs::read_to_string(&path).expect("it can be read");
        let first: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(first.contains("tidegate "), "{}: no comment that says what to type", path.display());
    }
}

#[test]
fn the_readme_lists_every_example() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("it can be read");
    for path in all() {
        let name = path.strip_prefix(folder()).expect("it is an example").display().to_string();
        assert!(readme.contains(&format!("]({name})")), "examples/README.md does not list {name}");
    }
}
