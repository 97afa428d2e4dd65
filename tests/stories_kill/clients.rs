//! Clients that submit, wait and watch while the server comes and goes.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::Path,
    process::Command,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tidegate_tests::{Caller, Executions, Tally, wait};

use crate::load::Planned;

/// Pause of a client that got no answer.
const AGAIN: Duration = Duration::from_millis(20);
/// Pause of the client that looks at everything.
const LOOK: Duration = Duration::from_millis(150);

/// Submits over HTTP until there is an answer, always by the same name.
pub(crate) fn submit(caller: &Caller, tally: &Tally, run: &Planned) -> Result<()> {
    let body = run.request(tally);
    wait::until(&format!("{} to be acknowledged", run.name), || match caller.post("/runs", &body) {
        Ok(answer) if answer.status == 201 || answer.status == 200 => Ok(Some(Ok(()))),
        // Not accepted now: it leads no group yet, or stops.
        Ok(answer) if answer.status == 503 => Ok(None),
        Ok(answer) => Ok(Some(Err(anyhow::anyhow!("{}: {answer:?}", run.name)))),
        // Whether it was accepted is not known.
        Err(_) => {
            thread::sleep(AGAIN);
            Ok(None)
        }
    })?
}

/// Submits by the command line until there is an answer, always by the same name.
pub(crate) fn submit_by_hand(
    command: &dyn Fn() -> Command,
    folder: &Path,
    tally: &Tally,
    run: &Planned,
) -> Result<()> {
    let file = folder.join(format!("{}.yml", run.name));
    std::fs::write(&file, run.job(tally).to_string())?;
    let count = run.count.to_string();
    wait::until(&format!("{} to be acknowledged", run.name), || {
        let mut submit = command();
        submit.arg("submit").arg(&file).args(["--name", &run.name]);
        if run.count > 1 {
            submit.args(["--count", &count]);
        }
        let ended = submit.output()?;
        let told = String::from_utf8_lossy(&ended.stderr);
        Ok(match ended.status.code() {
            Some(0) => Some(Ok(())),
            Some(4) => None,
            Some(3) if told.contains("lead") || told.contains("stopping") => None,
            _ => Some(Err(anyhow::anyhow!("submitting {}: {}: {told}", run.name, ended.status))),
        })
    })?
}

/// `tidegate run wait`: it must outlast every crash and tell the result.
pub(crate) fn wait_by_hand(command: &dyn Fn() -> Command, name: &str) -> Result<()> {
    let ended = command().args(["run", "wait", name]).output().context("cannot start tidegate")?;
    match ended.status.code() {
        Some(0) => Ok(()),
        _ => bail!("waiting for {name}: {}: {}", ended.status, String::from_utf8_lossy(&ended.stderr)),
    }
}

/// What a client saw of runs that had ended: how often each element had been executed by then.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<BTreeMap<String, Vec<Executions>>>);

impl Seen {
    /// Looks at all runs again and again until it is told to stop; then once more, which must succeed.
    pub(crate) fn watch(&self, caller: &Caller, tally: &Tally, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Acquire) {
            // The server may be away.
            drop(self.look(caller, tally));
            thread::sleep(LOOK);
        }
        wait::until("a last look at all runs", || self.look(caller, tally).map(Some))
    }

    fn look(&self, caller: &Caller, tally: &Tally) -> Result<()> {
        for run in caller.list("/runs?state=Completed")? {
            let name = run["name"].as_str().context("a run has a name")?.to_owned();
            let count = run["count"].as_u64().context("a run has a count")?;
            let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Entry::Vacant(place) = seen.entry(name) {
                let now = (0..u32::try_from(count)?).map(|element| tally.of(place.key(), element));
                let now = now.collect::<Result<_>>()?;
                place.insert(now);
            }
        }
        Ok(())
    }

    /// Every run that was seen to have ended, with its executions by then.
    pub(crate) fn into_runs(self) -> BTreeMap<String, Vec<Executions>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
