//! How commands find a server: what `tidegate up` wrote for its owner alone.
//!
//! `$XDG_CONFIG_HOME/tidegate/contexts/` has a file for each server's URL; `current` names the one that was started last.

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest context file that is read.
const FILE_MAX_BYTES: u64 = 64 << 10;

/// How one server is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Its URL.
    pub(crate) server: String,
    /// Its token.
    pub(crate) token: String,
    /// Its data folder.
    pub(crate) data: PathBuf,
}

/// The folder of contexts.
pub(crate) struct Contexts(PathBuf);

impl Contexts {
    /// The user's own.
    pub(crate) fn of_user() -> anyhow::Result<Contexts> {
        Ok(Contexts(user_folder("XDG_CONFIG_HOME", ".config")?.join("contexts")))
    }

    /// The context of the server at this URL.
    pub(crate) fn find(&self, server: &str) -> anyhow::Result<Option<Context>> {
        let Some(context) = self.read(&file_name(server))? else { return Ok(None) };
        // Two URLs may have one file name.
        Ok(Some(context).filter(|context| context.server == server))
    }

    /// The context of the server that was started last.
    pub(crate) fn current(&self) -> anyhow::Result<Option<Context>> {
        let path = self.0.join("current");
        match fs::read_to_string(&path) {
            Ok(name) if !name.trim().contains('/') => self.read(name.trim()),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes a context, readable by its owner alone, and makes it the current one.
    pub(crate) fn write(&self, context: &Context) -> anyhow::Result<PathBuf> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.with_context(|| format!("cannot make {}", self.0.display()))?;
        let name = file_name(&context.server);
        let path = self.0.join(&name);
        write_private(&path, serde_json::to_string_pretty(context)?.as_bytes())?;
        write_private(&self.0.join("current"), name.as_bytes())?;
        Ok(path)
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<Context>> {
        let path = self.0.join(name);
        let doing = || format!("cannot read {}", path.display());
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(doing),
        };
        if length > FILE_MAX_BYTES {
            return Err(anyhow!("{} is too large for a context; remove it", path.display()));
        }
        let text = fs::read(&path).with_context(doing)?;
        let broken = || format!("{} is no context; remove it and start `tidegate up` again", path.display());
        serde_json::from_slice(&text).map(Some).with_context(broken)
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Tidegate's folder under one of the user's own, as the XDG base directories have it.
pub(crate) fn user_folder(variable: &str, otherwise: &str) -> anyhow::Result<PathBuf> {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(otherwise));
    let base =
        set.or_else(home).ok_or_else(|| anyhow!("neither {variable} nor HOME is set; set one of them"))?;
    Ok(base.join("tidegate"))
}

/// A URL as a file name.
fn file_name(server: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    format!("{}.json", server.chars().take(200).map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn context(server: &str) -> Context {
        Context { server: server.into(), token: "t".into(), data: "/d".into() }
    }

    #[test]
    fn the_last_written_is_current_and_each_is_found_by_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts(folder.path().join("a/contexts"));
        assert!(contexts.current().unwrap().is_none());
        assert!(contexts.find("http://127.0.0.1:1").unwrap().is_none());
        for server in ["http://127.0.0.1:1", "http://127.0.0.1:2"] {
            let path = contexts.write(&context(server)).unwrap();
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(contexts.current().unwrap().unwrap().server, "http://127.0.0.1:2");
        assert_eq!(contexts.find("http://127.0.0.1:1").unwrap().unwrap().server, "http://127.0.0.1:1");
        // The same file name, another server.
        assert!(contexts.find("http_//127.0.0.1:1").unwrap().is_none());
    }

    #[test]
    fn a_broken_context_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts(folder.path().to_owned());
        let path = contexts.write(&context("http://h")).unwrap();
        fs::write(&path, "{").unwrap();
        let error = contexts.find("http://h").err().unwrap();
        assert!(format!("{error:#}").contains("remove it"), "{error:#}");
    }
}
