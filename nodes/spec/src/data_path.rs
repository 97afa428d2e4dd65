//! Where code or data is: on the submitting machine, in the blob store, or elsewhere.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A reference to a file or folder. In YAML and JSON it is one string.
///
/// A file says `Local` or `Uri`; the CLI uploads what is local and puts the content's address in its place
/// (`Blob`), so that a body that reaches the server names nothing on the submitter's machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataPath {
    /// A path as written, absolute or relative to the folder of the file; perhaps with a leading `file:`.
    Local(String),
    /// A content address: `tree:sha256-<hex>` for a folder, `blob:sha256-<hex>` for a file.
    Blob(String),
    /// Anything else with a scheme: `https://`, `wasbs://`, `azureml:name:version`, `azureml://datastores/...`.
    Uri(String),
}

impl DataPath {
    /// Tells the three kinds apart by their form.
    pub fn parse(text: &str) -> DataPath {
        if is_address(text) {
            DataPath::Blob(text.to_owned())
        } else if has_scheme(text) && !text.starts_with("file:") {
            DataPath::Uri(text.to_owned())
        } else {
            DataPath::Local(text.to_owned())
        }
    }

    /// The reference as written.
    pub fn as_str(&self) -> &str {
        match self {
            DataPath::Local(text) | DataPath::Blob(text) | DataPath::Uri(text) => text,
        }
    }

    /// The local path, taken from `folder` where it is relative; none for what is not local.
    pub fn resolve(&self, folder: &Path) -> Option<PathBuf> {
        let DataPath::Local(text) = self else { return None };
        let bare = text.strip_prefix("file:").unwrap_or(text);
        let bare =
            bare.strip_prefix("//").map_or(bare, |rest| if rest.starts_with('/') { rest } else { bare });
        Some(folder.join(bare))
    }

    /// A relative local path seen from the folder above: what a file in `folder` wrote, as its reader writes it.
    pub(crate) fn rebased(self, folder: &Path) -> DataPath {
        match self.resolve(folder) {
            Some(path) => DataPath::Local(path.components().as_path().display().to_string()),
            None => self,
        }
    }
}

/// A content address: the kind, then the SHA-256 in 64 lower-case hexadecimal digits.
fn is_address(text: &str) -> bool {
    let digest = text.strip_prefix("tree:sha256-").or_else(|| text.strip_prefix("blob:sha256-"));
    digest.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// A scheme has two characters at least: one is a drive letter.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
}

impl Serialize for DataPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for DataPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DataPath, D::Error> {
        String::deserialize(deserializer).map(|text| DataPath::parse(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_tells_the_kind() {
        let hex = "0".repeat(64);
        for local in ["src", "./src", "../x", "/abs", "file:x.yml", "C:\\data", "a b", "tree/sha256-1"] {
            assert_eq!(DataPath::parse(local), DataPath::Local(local.to_owned()));
        }
        for uri in [
            "https://h/x",
            "wasbs://c@h/x",
            "azureml:x:1",
            "azureml://datastores/d",
            "git+https://h",
            "runs:/r/p",
            "tree:sha256-12",
        ] {
            assert_eq!(DataPath::parse(uri), DataPath::Uri(uri.to_owned()));
        }
        for blob in [format!("tree:sha256-{hex}"), format!("blob:sha256-{hex}")] {
            assert_eq!(DataPath::parse(&blob), DataPath::Blob(blob.clone()));
        }
    }

    #[test]
    fn local_paths_are_taken_from_the_files_folder() {
        let folder = Path::new("/jobs/a");
        let resolved = |text: &str| DataPath::parse(text).resolve(folder);
        assert_eq!(resolved("src"), Some(PathBuf::from("/jobs/a/src")));
        assert_eq!(resolved("file:src"), Some(PathBuf::from("/jobs/a/src")));
        assert_eq!(resolved("file:///data/x"), Some(PathBuf::from("/data/x")));
        assert_eq!(resolved("/data/x"), Some(PathBuf::from("/data/x")));
        assert_eq!(resolved("https://h/x"), None);
    }
}
