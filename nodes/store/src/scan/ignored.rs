//! Which names of a code folder are left out.

use std::fs;
use std::io;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::ScanError;

/// Ignore files in the order in which they are looked for; the first one there counts alone.
const FILES: [&str; 2] = [".amlignore", ".gitignore"];

/// An ignore file larger than this is none.
const MAX_BYTES: u64 = 1 << 20;

/// The rules of one folder.
pub(super) struct Ignored {
    rules: Option<Gitignore>,
    file: Option<&'static str>,
}

impl Ignored {
    /// No rules at all.
    pub(super) fn nothing() -> Self {
        Self { rules: None, file: None }
    }

    /// The rules that the folder states.
    pub(super) fn read(folder: &Path) -> Result<Self, ScanError> {
        for file in FILES {
            match fs::metadata(folder.join(file)) {
                Ok(found) if found.is_file() => return Self::parse(folder, file, found.len()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(ScanError::io("look at", folder, file, e)),
            }
        }
        Ok(Self { rules: Some(Gitignore::empty()), file: Some(FILES[0]) })
    }

    fn parse(folder: &Path, file: &'static str, length: u64) -> Result<Self, ScanError> {
        let pattern = |line, reason| ScanError::Pattern { path: folder.join(file), line, reason };
        if length > MAX_BYTES {
            return Err(pattern(
                1,
                format!("the file has {length} bytes, more than the limit of {MAX_BYTES}"),
            ));
        }
        let text = fs::read(folder.join(file)).map_err(|e| ScanError::io("read", folder, file, e))?;
        // Some editors begin a file with a byte order mark.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        // Names are relative to the folder, so the rules are rooted in nothing.
        let mut rules = GitignoreBuilder::new("");
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = std::str::from_utf8(line).map_err(|e| pattern(number + 1, e.to_string()))?;
            rules
                .add_line(None, line.trim_end_matches('\r'))
                .map_err(|e| pattern(number + 1, e.to_string()))?;
        }
        let rules = rules.build().map_err(|e| pattern(1, e.to_string()))?;
        Ok(Self { rules: Some(rules), file: Some(file) })
    }

    /// The ignore file to name to somebody who wants something left out, if rules count.
    pub(super) fn file(&self) -> Option<&'static str> {
        self.file
    }

    /// Whether the thing at `path`, relative to the folder, is left out.
    pub(super) fn leaves_out(&self, path: &str, is_folder: bool) -> bool {
        let Some(rules) = &self.rules else { return false };
        (path == ".git" && is_folder) || rules.matched(path, is_folder).is_ignore()
    }
}
