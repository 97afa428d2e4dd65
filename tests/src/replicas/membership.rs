//! Controllers that come and go.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Replicas;
use crate::{Finished, wait};

impl Replicas {
    /// Has the cluster let another one in, in the place of `replaces` if that is given; gives its place. It is not started.
    /// `by` is asked.
    ///
    /// # Errors
    /// The cluster refuses.
    pub fn add(&mut self, by: usize, replaces: Option<usize>) -> Result<usize> {
        let bundle = self.home.path().join(format!("added-{}.join", self.count()));
        let path = bundle.to_str().context("the temporary folder has a name in UTF-8")?.to_owned();
        let mut arguments = vec!["controller", "add", "--out", &path, "-o", "json"];
        let old = replaces.map(|at| self.id(at).to_string());
        if let Some(old) = &old {
            arguments.extend(["--replaces", old]);
        }
        let added: Value = self.tidegate(by, &arguments)?.succeeded()?.json()?;
        let id = added["id"].as_u64().with_context(|| format!("no number in {added}"))?;
        self.add_member(id, bundle)
    }

    /// Tells the cluster that one goes; `by` is asked. It is not waited for.
    ///
    /// # Errors
    /// The cluster refuses.
    pub fn remove(&mut self, by: usize, at: usize) -> Result<Finished> {
        let removed = self.tidegate(by, &["controller", "remove", &self.id(at).to_string()])?.succeeded()?;
        self.members[at].removed = true;
        Ok(removed)
    }

    /// Says that one is no longer of the cluster, which let another take its place.
    pub fn forget(&mut self, at: usize) {
        self.members[at].removed = true;
    }

    /// Waits until exactly these vote, and no other controller is known.
    ///
    /// # Errors
    /// It is not so in time; the error tells what was seen last.
    pub fn wait_for_voters(&self, places: &[usize]) -> Result<()> {
        let mut wanted: Vec<u64> = places.iter().map(|at| self.id(*at)).collect();
        wanted.sort_unstable();
        wait::until_value(
            &format!("the controllers {wanted:?} to be the voters"),
            || {
                let leader = self.leader()?;
                let status = self.status(leader.at)?;
                let views = status["controllers"].as_array().context("a status has controllers")?.clone();
                let view = |view: &Value| Some((view["id"].as_u64()?, view["role"].as_str()?.to_owned()));
                let mut seen: Vec<_> = views.iter().filter_map(view).collect();
                seen.sort();
                Ok(seen)
            },
            |seen| {
                seen.iter().map(|(id, _)| *id).eq(wanted.iter().copied())
                    && seen.iter().all(|(_, role)| role == "voter")
            },
        )
        .map(drop)
    }
}
