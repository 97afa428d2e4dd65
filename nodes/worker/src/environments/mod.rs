//! The environments that commands run in: virtual environments, or the host's own programs.

mod build;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use tidegate_scheduler::message::End;
use tidegate_spec::EnvironmentRef;
use tidegate_store::Digest;

use crate::config::{Environment, WorkerConfig};

/// The table of environments, and where they are built.
#[derive(Debug)]
pub(crate) struct Environments {
    table: BTreeMap<String, Environment>,
    folder: PathBuf,
    uv: Option<PathBuf>,
}

/// What a command runs in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// For people.
    pub(crate) name: String,
    /// What people should know.
    pub(crate) note: Option<String>,
    /// The virtual environment's folder; `None` for the host's own programs.
    pub(crate) venv: Option<PathBuf>,
}

impl Chosen {
    /// What it adds to a command's variables, given the node's own `PATH`.
    pub(crate) fn variables(&self, path: &str) -> Vec<(String, String)> {
        let Some(venv) = &self.venv else { return Vec::new() };
        let set = |name: &str, value: String| (name.to_owned(), value);
        vec![
            set("PATH", format!("{}:{path}", venv.join("bin").display())),
            set("VIRTUAL_ENV", venv.display().to_string()),
        ]
    }
}

impl Environments {
    pub(crate) fn new(config: &WorkerConfig, folder: PathBuf) -> Self {
        Self { table: config.environments.clone(), folder, uv: config.uv.clone() }
    }

    /// What is known without waiting: an environment that is there, or the host. `None` if one may have to be built.
    pub(crate) fn at_once(&self, wanted: &EnvironmentRef) -> Option<Result<Chosen, End>> {
        let keys = wanted.lookup_keys();
        let shown = keys.first().map_or("an environment without a name", String::as_str);
        match keys.iter().find_map(|key| self.table.get_key_value(key)) {
            None => {
                let note = format!(
                    "environment {shown} is not mapped on this node: the host's own programs are used"
                );
                Some(Ok(Chosen { name: "the host's own programs".to_owned(), note: Some(note), venv: None }))
            }
            Some((key, Environment::Existing { venv })) => Some(existing(key, venv)),
            Some((_, Environment::Built { .. })) => None,
        }
    }

    /// The environment, built if need be. Dropped before it is done, the build is broken off.
    ///
    /// # Errors
    ///
    /// How the attempt ends that needs it.
    pub(crate) async fn choose(&self, wanted: &EnvironmentRef) -> Result<Chosen, End> {
        if let Some(chosen) = self.at_once(wanted) {
            return chosen;
        }
        let keys = wanted.lookup_keys();
        let found = keys.iter().find_map(|key| self.table.get_key_value(key));
        let Some((key, Environment::Built { packages, python })) = found else {
            return Err(End::System { reason: "the table of environments has changed".to_owned() });
        };
        let digest = digest_of(packages, python.as_deref());
        let venv = self.folder.join(&digest);
        let uv = self.uv.clone().unwrap_or_else(|| PathBuf::from("uv"));
        let recipe =
            build::Recipe { uv, packages: packages.clone(), python: python.clone(), venv: venv.clone() };
        build::make(&recipe).await.map_err(|error| error.into_end(key))?;
        let name = format!("{key}: {} (built by uv, {digest})", packages.join(" "));
        Ok(Chosen { name, note: None, venv: Some(venv) })
    }
}

fn existing(key: &str, venv: &Path) -> Result<Chosen, End> {
    match venv.join("bin").is_dir() {
        true => {
            Ok(Chosen { name: format!("{key}: {}", venv.display()), note: None, venv: Some(venv.to_owned()) })
        }
        false => Err(End::CannotStart {
            reason: format!(
                "environment {key} is mapped to {}, which is not a virtual environment: it has no folder `bin`",
                venv.display()
            ),
        }),
    }
}

/// Names an environment by what it is made of.
fn digest_of(packages: &[String], python: Option<&str>) -> String {
    let mut sorted: Vec<&str> = packages.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let text = format!("1\n{}\n{}", python.unwrap_or_default(), sorted.join("\n"));
    let digest = Digest::of(text.as_bytes()).to_string();
    digest.chars().skip_while(|one| *one != '-').skip(1).take(16).collect()
}

/// Why an environment could not be built.
#[derive(Debug)]
pub(crate) enum BuildError {
    /// `uv` is not there.
    NoUv(io::Error),
    /// `uv` says no.
    Refused { step: String, last_lines: String },
    /// The node's folder.
    Io { what: String, error: io::Error },
}

impl BuildError {
    fn into_end(self, key: &str) -> End {
        match self {
            BuildError::NoUv(error) => End::CannotStart {
                reason: format!(
                    "environment {key} must be built, and uv cannot be started ({error}): install uv, or name it by `uv` in the worker's configuration"
                ),
            },
            BuildError::Refused { step, last_lines } => End::CannotStart {
                reason: format!("environment {key} cannot be built: {step} failed: {last_lines}"),
            },
            BuildError::Io { what, error } => {
                End::System { reason: format!("environment {key} cannot be built: cannot {what}: {error}") }
            }
        }
    }
}

#[cfg(test)]
mod tests;
