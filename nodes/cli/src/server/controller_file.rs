//! The configuration of one controller of a cluster, in TOML.

use super::config::{ExtraSize, Http, Logs, Retention, ServerConfig, Workers, read};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use tidegate_worker::Environment;

/// Where clients connect unless it is said.
pub(crate) const DEFAULT_HTTP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8770);

/// What one controller of a cluster is told: its own file, for `tidegate controller run`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControllerFile {
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Where other controllers and workers connect, by UDP.
    pub(crate) listen: SocketAddr,
    /// What others are told instead of `listen`, where they see another address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) advertise: Option<SocketAddr>,
    /// Where clients connect.
    #[serde(default = "default_http")]
    pub(crate) http: SocketAddr,
    /// The URL that others are told of `http`; made from it when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) http_url: Option<String>,
    /// Host names, beside loopback's, under which clients may reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) http_names: Vec<String>,
    /// The file with the clients' token, the same for all controllers of a cluster; `token` in the data folder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<PathBuf>,
    /// The folder of local nodes, which controllers of one machine may share; `nodes` in the data folder when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) nodes: Option<PathBuf>,
    #[serde(default)]
    retention: Retention,
    #[serde(default)]
    logs: Logs,
    #[serde(default)]
    workers: Workers,
    #[serde(default)]
    environments: BTreeMap<String, Environment>,
    #[serde(default)]
    sizes: Vec<ExtraSize>,
}

fn default_http() -> SocketAddr {
    DEFAULT_HTTP
}

impl ControllerFile {
    /// A controller with this data folder at these addresses, and for the rest as a server is told.
    pub(crate) fn new(
        data: PathBuf,
        listen: SocketAddr,
        http: SocketAddr,
        config: ServerConfig,
    ) -> ControllerFile {
        let ServerConfig { environments, sizes, retention, logs, http: names, workers } = config;
        ControllerFile {
            data,
            listen,
            advertise: None,
            http,
            http_url: None,
            http_names: names.names,
            token: None,
            nodes: None,
            retention,
            logs,
            workers,
            environments,
            sizes,
        }
    }

    /// Reads a file. Paths in it are relative to its folder.
    pub(crate) fn load(path: &Path) -> anyhow::Result<ControllerFile> {
        let (mut file, folder): (ControllerFile, _) = read(path)?;
        file.data = folder.join(&file.data);
        file.token = file.token.map(|token| folder.join(token));
        file.nodes = file.nodes.map(|nodes| folder.join(nodes));
        let mut config = file.server();
        config.resolve(&folder);
        (file.environments, file.workers) = (config.environments, config.workers);
        Ok(file)
    }

    /// The same as text, to be read by [`ControllerFile::load`].
    pub(crate) fn to_toml(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("a configuration has a path or a name that is not UTF-8")
    }

    /// What a server of one controller would be told.
    pub(crate) fn server(&self) -> ServerConfig {
        ServerConfig {
            environments: self.environments.clone(),
            sizes: self.sizes.clone(),
            retention: self.retention.clone(),
            logs: self.logs.clone(),
            http: Http { names: self.http_names.clone() },
            workers: self.workers.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_controllers_file_says_where_it_is_and_all_that_a_servers_may() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("controller.toml");
        fs::write(
            &path,
            "data = \"d\"\nlisten = \"10.0.0.1:8771\"\nhttp_names = [\"tide\"]\ntoken = \"t\"\n\
             [environments]\npy = { venv = \"v\" }\n[workers]\nlauncher = [\"ip\", \"netns\", \"exec\", \"w{node}\"]\n",
        )
        .unwrap();
        let file = ControllerFile::load(&path).unwrap();
        assert_eq!((&file.data, file.http), (&folder.path().join("d"), DEFAULT_HTTP));
        assert_eq!(file.token, Some(folder.path().join("t")));
        let config = file.server();
        assert!(matches!(&config.environments["py"], Environment::Existing { venv } if venv.is_absolute()));
        assert_eq!(config.workers.launcher.len(), 4);
        // Written and read again it says the same.
        fs::write(&path, file.to_toml().unwrap()).unwrap();
        assert_eq!(ControllerFile::load(&path).unwrap().to_toml().unwrap(), file.to_toml().unwrap());
        for (text, word) in
            [("listen = \"h:1\"\n", "listen"), ("data = \"d\"\n", "listen"), ("dta = 1\n", "dta")]
        {
            fs::write(&path, text).unwrap();
            let error = format!("{:#}", ControllerFile::load(&path).unwrap_err());
            assert!(error.contains(word), "{error}");
        }
    }
}
