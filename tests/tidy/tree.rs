//! The repository's files, as git would take them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;

/// One text file of the repository.
pub(crate) struct File {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether it is code that users run: neither tests nor benches nor examples.
    pub(crate) fn is_production(&self) -> bool {
        let folders = ["tests/", "test/", "benches/", "examples/"];
        let aside = folders
            .iter()
            .any(|folder| self.path.starts_with(folder) || self.path.contains(&format!("/{folder}")));
        !aside && !self.path.ends_with("_test.rs")
    }

    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// Lines with their numbers, without those that are comments from their first sign on.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("the tests are a folder of the repository").to_owned()
}

/// Every text file with this ending, sorted by path, less what `.gitignore` names.
pub(crate) fn files(ending: &str) -> Vec<File> {
    all().into_iter().filter(|file| file.path.ends_with(ending)).collect()
}

/// Every text file, sorted by path, less what `.gitignore` names.
pub(crate) fn all() -> Vec<File> {
    let root = root();
    let hidden_by_git = |name: &std::ffi::OsStr| name == ".git";
    let walk = WalkBuilder::new(&root)
        .hidden(false)
        .require_git(false)
        .git_global(false)
        .filter_entry(move |entry| !hidden_by_git(entry.file_name()))
        .build();
    let mut files: Vec<File> = walk
        .map(|entry| entry.expect("the repository's folders can be read"))
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
        .filter_map(|entry| read(&root, entry.path()))
        .collect();
    assert!(files.len() > 100, "found {} files: is {} the repository?", files.len(), root.display());
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// `None` for a file that is not text, and for one that went away meanwhile.
fn read(root: &Path, path: &Path) -> Option<File> {
    let text = String::from_utf8(fs::read(path).ok()?).ok()?;
    let path = path.strip_prefix(root).expect("it was found below the root").to_str()?.to_owned();
    Some(File { path, text })
}
