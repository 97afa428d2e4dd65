//! How commands find their servers: what `tidegate up` wrote for its owner alone.
//!
//! `$XDG_CONFIG_HOME/tidegate/contexts/` has a file for each cluster, named by the URL of its first server; `current` names the one that was started last.

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The largest context file that is read.
const FILE_MAX_BYTES: u64 = 64 << 10;
/// The name of the current context is in this file.
const CURRENT: &str = "current";

/// How one cluster is reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(crate) struct Context {
    /// The URLs of its servers; one at least.
    pub(crate) servers: Vec<String>,
    /// Its token.
    pub(crate) token: String,
    /// Its data folder.
    pub(crate) data: PathBuf,
}

/// A context as it lies on the disk: releases that know of one server alone read the first.
#[derive(Serialize, Deserialize)]
struct Written {
    server: String,
    #[serde(default)]
    servers: Vec<String>,
    token: String,
    data: PathBuf,
}

impl From<Written> for Context {
    fn from(written: Written) -> Context {
        let Written { server, servers, token, data } = written;
        let servers = if servers.is_empty() { vec![server] } else { servers };
        Context { servers, token, data }
    }
}

impl From<Context> for Written {
    fn from(context: Context) -> Written {
        let Context { servers, token, data } = context;
        Written { server: servers.first().cloned().unwrap_or_default(), servers, token, data }
    }
}

/// The folder of contexts.
pub(crate) struct Contexts(PathBuf);

impl Contexts {
    /// The user's own.
    pub(crate) fn of_user() -> anyhow::Result<Contexts> {
        Ok(Contexts(user_folder("XDG_CONFIG_HOME", ".config")?.join("contexts")))
    }

    /// The context of the cluster that one of these servers is of.
    pub(crate) fn find(&self, servers: &[String]) -> anyhow::Result<Option<Context>> {
        for server in servers {
            // Two URLs may have one file name.
            if let Some(context) = self.read(&file_name(server))?
                && context.servers.contains(server)
            {
                return Ok(Some(context));
            }
        }
        let names = match fs::read_dir(&self.0) {
            Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.0.display())),
        };
        // One that is broken is told of when it is asked for by its own name.
        let mut others =
            names.filter(|name| name.ends_with(".json")).filter_map(|name| self.read(&name).ok()?);
        Ok(others.find(|context| context.servers.iter().any(|server| servers.contains(server))))
    }

    /// The context of the cluster that was started last.
    pub(crate) fn current(&self) -> anyhow::Result<Option<Context>> {
        let path = self.0.join(CURRENT);
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
        let name = file_name(context.servers.first().context("a cluster has a server")?);
        let path = self.0.join(&name);
        write_private(&path, serde_json::to_string_pretty(context)?.as_bytes())?;
        write_private(&self.0.join(CURRENT), name.as_bytes())?;
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

    fn context(servers: &[&str]) -> Context {
        let servers = servers.iter().map(|server| (*server).to_owned()).collect();
        Context { servers, token: "t".into(), data: "/d".into() }
    }

    fn find(contexts: &Contexts, server: &str) -> Option<Context> {
        contexts.find(&[server.to_owned()]).unwrap()
    }

    #[test]
    fn the_last_written_is_current_and_each_is_found_by_any_of_its_urls() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts(folder.path().join("a/contexts"));
        assert!(contexts.current().unwrap().is_none());
        assert!(find(&contexts, "http://127.0.0.1:1").is_none());
        for servers in [&["http://127.0.0.1:1"][..], &["http://127.0.0.1:2", "http://127.0.0.1:3"]] {
            let path = contexts.write(&context(servers)).unwrap();
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let both = ["http://127.0.0.1:2", "http://127.0.0.1:3"];
        assert_eq!(contexts.current().unwrap().unwrap().servers, both);
        assert_eq!(find(&contexts, "http://127.0.0.1:1").unwrap().servers, ["http://127.0.0.1:1"]);
        assert_eq!(find(&contexts, "http://127.0.0.1:3").unwrap().servers, both);
        // The same file name, another server.
        assert!(find(&contexts, "http_//127.0.0.1:1").is_none());
    }

    #[test]
    fn a_context_of_one_server_is_read_and_written_as_ever() {
        let old = r#"{"server": "http://h:1", "token": "t", "data": "/d"}"#;
        let read: Context = serde_json::from_str(old).unwrap();
        assert_eq!(read.servers, ["http://h:1"]);
        let written = serde_json::to_value(context(&["http://h:1", "http://h:2"])).unwrap();
        assert_eq!(written["server"], "http://h:1");
        assert_eq!(written["servers"][1], "http://h:2");
    }

    #[test]
    fn a_broken_context_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let contexts = Contexts(folder.path().to_owned());
        let path = contexts.write(&context(&["http://h"])).unwrap();
        fs::write(&path, "{").unwrap();
        let error = contexts.find(&["http://h".to_owned()]).err().unwrap();
        assert!(format!("{error:#}").contains("remove it"), "{error:#}");
    }
}
