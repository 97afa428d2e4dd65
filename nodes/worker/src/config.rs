//! What a worker must be told: a TOML file.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tidegate_scheduler::resources::Resources;

use crate::error::WorkerError;

/// Largest configuration file, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// What a worker must be told. Paths are absolute, or relative to the file's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// The node's number, which its certificate names as `n<number>`.
    pub node: u64,
    /// The node's folder: attempts, cache, the keeper's files. Made if absent.
    pub folder: PathBuf,
    /// The cluster's name, as in its certificates.
    pub cluster: String,
    /// A file of `ip:port` lines, one for each controller; the worker stays connected with all of them. It is read
    /// again every two seconds. Empty lines and lines that begin with `#` are skipped.
    pub controller_file: PathBuf,
    /// The node's certificate and key, in one PEM file that only its owner may read.
    pub identity: PathBuf,
    /// The certificate of the cluster's authority, in PEM.
    pub ca: PathBuf,
    /// The program whose subcommand `keeper` is the keeper; this program itself when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper_program: Option<PathBuf>,
    /// What the node offers, as its VM size says.
    pub capacity: Capacity,
    /// Seconds without a controller that leads, and without anything that runs, after which the node leaves.
    #[serde(default = "default_leave_after")]
    pub leave_after: u64,
    /// MiB of each of a run's standard output and error that are kept, the first and the last half; 0 is no limit.
    #[serde(default = "default_log_limit")]
    pub log_limit_mib: u64,
    /// MiB of fetched contents that are kept for later runs.
    #[serde(default = "default_store_limit")]
    pub store_limit_mib: u64,
    /// Where fetched contents are kept; `cache` in the node's folder when absent. No other worker may use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Where environments are built; `envs` in the node's folder when absent. Workers of one machine may share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments_folder: Option<PathBuf>,
    /// MiB that must be free on the node's disk for a run to be prepared.
    #[serde(default = "default_keep_free")]
    pub keep_free_mib: u64,
    /// The program `uv`, which builds environments; looked for in `PATH` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uv: Option<PathBuf>,
    /// Environment variables of the worker that commands see, beside `PATH`, `HOME` and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pass_environment: Vec<String>,
    /// What environments stand for, by a name or image as jobs write it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<String, Environment>,
}

/// What a node offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs, in thousandths of one.
    #[serde(default)]
    pub gpu_milli: u32,
}

/// What an environment stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Environment {
    /// A virtual environment that is there.
    Existing {
        /// Its folder.
        venv: PathBuf,
    },
    /// A virtual environment that `uv` makes when it is first needed.
    Built {
        /// What is installed, as for `uv pip install`.
        packages: Vec<String>,
        /// The version of Python, or a path to one; any when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        python: Option<String>,
    },
}

fn default_leave_after() -> u64 {
    600
}

fn default_log_limit() -> u64 {
    256
}

fn default_store_limit() -> u64 {
    20 << 10
}

fn default_keep_free() -> u64 {
    16
}

impl WorkerConfig {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no TOML, has a key that is not known, or a value that cannot be; with the line.
    pub fn load(path: &Path) -> Result<Self, WorkerError> {
        let text =
            read(path).map_err(WorkerError::doing(format!("read the configuration {}", path.display())))?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| WorkerError::Config { path: path.to_owned(), what: error.to_string() })?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder =
            folder.canonicalize().map_err(WorkerError::doing(format!("resolve {}", folder.display())))?;
        config.resolve(&folder);
        Ok(config)
    }

    /// The same as text, to be read by [`WorkerConfig::load`].
    ///
    /// # Errors
    ///
    /// A path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, WorkerError> {
        toml::to_string(self)
            .map_err(|error| WorkerError::Config { path: PathBuf::new(), what: error.to_string() })
    }

    /// A configuration with the usual settings.
    pub fn new(
        node: u64,
        cluster: impl Into<String>,
        folder: impl Into<PathBuf>,
        capacity: &Resources,
    ) -> Self {
        let folder = folder.into();
        let Resources { vcpu, memory_mib, gpu_milli } = *capacity;
        Self {
            node,
            cluster: cluster.into(),
            controller_file: folder.join("controllers"),
            identity: folder.join("identity.pem"),
            ca: folder.join("ca.pem"),
            folder,
            keeper_program: None,
            capacity: Capacity { vcpu, memory_mib, gpu_milli },
            leave_after: default_leave_after(),
            log_limit_mib: default_log_limit(),
            store_limit_mib: default_store_limit(),
            cache: None,
            environments_folder: None,
            keep_free_mib: default_keep_free(),
            uv: None,
            pass_environment: Vec::new(),
            environments: BTreeMap::new(),
        }
    }

    fn resolve(&mut self, folder: &Path) {
        let paths = [&mut self.folder, &mut self.controller_file, &mut self.identity, &mut self.ca];
        let maybe = [&mut self.keeper_program, &mut self.cache, &mut self.environments_folder, &mut self.uv];
        let venvs = self.environments.values_mut().filter_map(|environment| match environment {
            Environment::Existing { venv } => Some(venv),
            Environment::Built { .. } => None,
        });
        for path in paths.into_iter().chain(maybe.into_iter().flatten()).chain(venvs) {
            *path = folder.join(&*path);
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > FILE_MAX_BYTES {
        let what = format!("it has {bytes} bytes, more than the limit of {FILE_MAX_BYTES}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<WorkerConfig, String> {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("worker.toml");
        std::fs::write(&path, text).unwrap();
        WorkerConfig::load(&path)
            .map_err(|error| error.to_string().replace(&temp.path().display().to_string(), "T"))
    }

    const LEAST: &str = "node = 7\nfolder = \"/n\"\ncluster = \"c\"\ncontroller_file = \"/c\"\nidentity = \"id.pem\"\nca = \"/ca\"\n";

    #[test]
    fn the_least_is_enough_and_what_is_written_is_read_again() {
        let text = format!(
            "{LEAST}capacity = {{ vcpu = 4, memory_mib = 1024 }}\n[environments]\nsk = {{ packages = [\"numpy\"] }}\npy = {{ venv = \"/v\" }}\n"
        );
        let config = load(&text).unwrap();
        assert_eq!((config.leave_after, config.log_limit_mib), (600, 256));
        assert!(config.identity.is_absolute() && config.identity.ends_with("id.pem"));
        assert_eq!(config.environments["py"], Environment::Existing { venv: "/v".into() });
        assert_eq!(load(&config.to_toml().unwrap()).unwrap(), config);
    }

    #[test]
    fn a_slip_is_told_with_its_line() {
        let unknown = load(&format!("{LEAST}capacity = {{ vcpu = 4, memory_mib = 1024 }}\nlog_limit = 3\n"))
            .unwrap_err();
        assert!(
            unknown.contains("T/worker.toml") && unknown.contains("line 8") && unknown.contains("log_limit"),
            "{unknown}"
        );
        let absent = load(LEAST).unwrap_err();
        assert!(absent.contains("capacity"), "{absent}");
        assert!(load("node = [").is_err());
    }
}
