//! The command line against a story's server, and what stories ask most often.

use std::{ffi::OsString, fs, path::PathBuf, process::Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Cluster, Finished, wait};

impl Cluster {
    /// A command for `tidegate` with the story's server and settings, to be started as the story wishes.
    pub fn command(&self) -> std::process::Command {
        let mut command = self.home.command(&self.program);
        command.env("TIDEGATE_SERVER", self.url()).stdin(Stdio::null());
        command
    }

    /// Runs `tidegate` to its end, whatever that is: see [`Finished`].
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn tidegate<I, S>(&self, arguments: I) -> Result<Finished>
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let output = self.command().args(&arguments).output().context("cannot start tidegate")?;
        Ok(Finished::of(arguments, output))
    }

    /// Runs `tidegate ... -o json`, which must succeed, and reads what it prints.
    ///
    /// # Errors
    /// It fails, or prints no JSON.
    pub fn json<I, S>(&self, arguments: I) -> Result<Value>
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        let arguments = arguments.into_iter().map(Into::into).chain(["-o".into(), "json".into()]);
        self.tidegate(arguments)?.succeeded()?.json()
    }

    /// Writes a job file, alone in a folder of its own, and gives its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn job(&self, yaml: &str) -> Result<String> {
        let folder = self.new_folder("job")?;
        let file = folder.join("job.yml");
        fs::write(&file, yaml)?;
        file.into_os_string().into_string().ok().context("the temporary folder has a name in UTF-8")
    }

    /// Makes or changes a pool.
    ///
    /// # Errors
    /// It is refused.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        let file = self.new_folder("pool")?.join("pool.yml");
        fs::write(&file, yaml)?;
        self.tidegate(["pool".into(), "apply".into(), file.into_os_string()])?.succeeded()?;
        Ok(())
    }

    /// The token in the context that the server wrote for its user.
    ///
    /// # Errors
    /// There is none.
    pub fn token(&self) -> Result<String> {
        let contexts = self.home.path().join("config/tidegate/contexts");
        for entry in
            fs::read_dir(&contexts).with_context(|| format!("no contexts in {}", contexts.display()))?
        {
            let Ok(context) = serde_json::from_slice::<Value>(&fs::read(entry?.path())?) else { continue };
            if context["server"] == self.url().as_str() {
                return Ok(context["token"].as_str().context("a context has a token")?.to_owned());
            }
        }
        bail!("no context in {} is of {}", contexts.display(), self.url())
    }

    /// Everything that `run show` tells of a run.
    ///
    /// # Errors
    /// There is no such run, or the server is not reached.
    pub fn run(&self, name: &str) -> Result<Value> {
        self.json(["run", "show", name])
    }

    /// A run's state, by Azure ML's names.
    ///
    /// # Errors
    /// As [`Cluster::run`].
    pub fn state(&self, name: &str) -> Result<String> {
        let run = self.run(name)?;
        let state = run["state"].as_str().with_context(|| format!("no state in {run}"))?;
        Ok(state.to_owned())
    }

    /// Waits until a run is in a state.
    ///
    /// # Errors
    /// It is not in time; the error tells the state it was in last.
    pub fn wait_for_state(&self, name: &str, state: &str) -> Result<()> {
        let what = format!("run {name} to be {state}");
        wait::until_value(&what, || self.state(name), |seen| seen == state).map(drop)
    }

    /// Waits until a run is over, and gives the state that it ended in.
    ///
    /// # Errors
    /// It is not in time; the error tells the state it was in last.
    pub fn wait_for_end_of(&self, name: &str) -> Result<String> {
        let over = ["Completed", "Failed", "Canceled"];
        let what = format!("the end of run {name}");
        wait::until_value(&what, || self.state(name), |seen| over.contains(&seen.as_str()))
    }

    /// The nodes of a pool that are in a state, or in any.
    ///
    /// # Errors
    /// The server is not reached.
    pub fn nodes(&self, pool: &str, state: Option<&str>) -> Result<Vec<String>> {
        let list = self.json(["node", "list"])?;
        let nodes = items(&list).with_context(|| format!("no list of nodes: {list}"))?;
        let wanted = nodes
            .iter()
            .filter(|node| node["pool"] == pool && state.is_none_or(|state| node["state"] == state));
        Ok(wanted.filter_map(|node| Some(node["name"].as_str()?.to_owned())).collect())
    }

    /// Waits until a pool has so many nodes, in whatever state.
    ///
    /// # Errors
    /// It has not in time.
    pub fn wait_for_nodes(&self, pool: &str, count: usize) -> Result<()> {
        let what = format!("pool {pool} to have {count} nodes");
        wait::until_value(&what, || self.nodes(pool, None), |nodes| nodes.len() == count).map(drop)
    }

    fn new_folder(&self, kind: &str) -> Result<PathBuf> {
        let folder =
            tempfile::Builder::new().prefix(kind).disable_cleanup(true).tempdir_in(self.home.path())?;
        Ok(folder.path().to_owned())
    }
}

/// The items of a list, which may come bare or in a page.
fn items(list: &Value) -> Option<&Vec<Value>> {
    list.as_array().or_else(|| list["items"].as_array())
}
