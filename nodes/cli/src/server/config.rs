//! The server's configuration file, in TOML. Every key may be left out; one that is not known is refused.

use anyhow::{Context as _, anyhow};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tidegate_scheduler::Limits;
use tidegate_scheduler::resources::{Resources, VmSize};
use tidegate_scheduler::time::Millis;
use tidegate_worker::Environment;

/// The largest configuration that is read.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// What a server may be told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerConfig {
    /// What environments of jobs stand for, by name or image.
    pub(crate) environments: BTreeMap<String, Environment>,
    /// VM sizes beside those of the catalogue.
    pub(crate) sizes: Vec<ExtraSize>,
    pub(crate) retention: Retention,
    pub(crate) logs: Logs,
    pub(crate) http: Http,
    pub(crate) workers: Workers,
}

/// A VM size of the owner's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtraSize {
    name: String,
    family: String,
    vcpu: u32,
    memory_mib: u64,
    #[serde(default)]
    gpus: u32,
    /// Price of an hour.
    #[serde(default)]
    hourly_price: f64,
}

/// How long ended runs are remembered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    days: Option<u64>,
    runs: Option<u64>,
}

/// What is kept of what runs print.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logs {
    /// MiB of each of a run's two outputs, the first and the last half; 0 is no limit.
    pub(crate) limit_mib: Option<u64>,
}

/// The gateway.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    /// Host names, beside loopback's, under which clients may reach it.
    pub(crate) names: Vec<String>,
}

/// The workers of local pools.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Workers {
    /// Seconds without any controller, and without anything that runs, after which they leave.
    pub(crate) leave_after: Option<u64>,
    /// Environment variables of the server that commands see, beside `PATH`, `HOME` and the like.
    pub(crate) pass_environment: Vec<String>,
    /// The program `uv`, which builds environments.
    pub(crate) uv: Option<PathBuf>,
    /// Words before a worker's command line, such as `["ip", "netns", "exec", "w{node}"]`; in them `{node}` stands for the
    /// node's number. What they start has to become the worker (exec), or to pass its environment on.
    pub(crate) launcher: Vec<String>,
}

impl ServerConfig {
    /// Reads a file. Paths in it are relative to its folder.
    pub(crate) fn load(path: &Path) -> anyhow::Result<ServerConfig> {
        let (mut config, folder): (ServerConfig, _) = read(path)?;
        config.resolve(&folder);
        Ok(config)
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        for environment in self.environments.values_mut() {
            if let Environment::Existing { venv } = environment {
                *venv = folder.join(&*venv);
            }
        }
        self.workers.uv = self.workers.uv.take().map(|uv| folder.join(uv));
    }

    /// The core's bounds.
    pub(crate) fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits {
            retention: self
                .retention
                .days
                .map_or(usual.retention, |days| Millis::seconds(days.saturating_mul(86_400))),
            retained_runs: self.retention.runs.unwrap_or(usual.retained_runs),
            ..usual
        }
    }

    /// The sizes beside those of the catalogue.
    pub(crate) fn extra_sizes(&self) -> anyhow::Result<Vec<VmSize>> {
        self.sizes.iter().map(ExtraSize::size).collect()
    }
}

/// A configuration, and the folder that it is in.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<(T, PathBuf)> {
    let doing = || format!("cannot read the configuration {}", path.display());
    let length = fs::metadata(path).with_context(doing)?.len();
    if length > FILE_MAX_BYTES {
        return Err(anyhow!("{} has {length} bytes, more than any configuration", path.display()));
    }
    let text = fs::read_to_string(path).with_context(doing)?;
    let config = toml::from_str(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let folder = std::path::absolute(path).with_context(doing)?;
    Ok((config, folder.parent().unwrap_or(Path::new("/")).to_owned()))
}

impl ExtraSize {
    fn size(&self) -> anyhow::Result<VmSize> {
        let bad = |what: &str| anyhow!("VM size {:?}: {what}", self.name);
        let gpu_milli = self.gpus.checked_mul(1000).ok_or_else(|| bad("no node has that many GPUs"))?;
        if !(0.0..1e9).contains(&self.hourly_price) {
            return Err(bad("`hourly_price` must be 0 or more"));
        }
        Ok(VmSize {
            name: self.name.clone(),
            family: self.family.clone(),
            capacity: Resources { vcpu: self.vcpu, memory_mib: self.memory_mib, gpu_milli },
            hourly_price_micros: (self.hourly_price * 1e6).round() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> anyhow::Result<ServerConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs::write(&path, text).unwrap();
        ServerConfig::load(&path)
    }

    #[test]
    fn everything_may_be_left_out_or_said() {
        assert!(load("").unwrap().environments.is_empty());
        let config = load(
            "[environments]\nsklearn = { packages = [\"scikit-learn\"], python = \"3.11\" }\npy = { venv = \"v\" }\n\
             [[sizes]]\nname = \"Big\"\nfamily = \"own\"\nvcpu = 64\nmemory_mib = 1024\ngpus = 2\nhourly_price = 1.5\n\
             [retention]\ndays = 7\nruns = 100\n[logs]\nlimit_mib = 1\n[http]\nnames = [\"tide\"]\n\
             [workers]\nleave_after = 5\npass_environment = [\"LANG\"]\nuv = \"bin/uv\"\n",
        )
        .unwrap();
        let size = &config.extra_sizes().unwrap()[0];
        assert_eq!((size.capacity.gpu_milli, size.hourly_price_micros), (2000, 1_500_000));
        assert_eq!(
            (config.limits().retention, config.limits().retained_runs),
            (Millis::seconds(7 * 86_400), 100)
        );
        assert!(matches!(&config.environments["py"], Environment::Existing { venv } if venv.is_absolute()));
        assert!(config.workers.uv.unwrap().is_absolute());
    }

    #[test]
    fn a_slip_is_told_with_its_line() {
        for (text, word) in
            [("[http]\nname = 1\n", "name"), ("[[sizes]]\nname = \"x\"\n", "family"), ("x = ", "line 1")]
        {
            let error = format!("{:#}", load(text).unwrap_err());
            assert!(error.contains(word) && error.contains("server.toml"), "{error}");
        }
        let negative =
            load("[[sizes]]\nname = \"x\"\nfamily = \"f\"\nvcpu = 1\nmemory_mib = 1\nhourly_price = -1.0\n");
        assert!(negative.unwrap().extra_sizes().is_err());
    }
}
