//! What must hold when all is over.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;
use tidegate_tests::{Caller, Executions, Tally, wait};

use crate::load::Planned;

/// Waits until every run has completed.
pub(crate) fn wait_for_all(caller: &Caller, runs: &[Planned]) -> Result<()> {
    let open = || {
        let ended = caller.list("/runs?state=Completed")?;
        let names: std::collections::BTreeSet<_> =
            ended.iter().filter_map(|run| run["name"].as_str()).collect();
        let open: Vec<String> = runs
            .iter()
            .filter(|run| !names.contains(run.name.as_str()))
            .map(|run| run.name.clone())
            .collect();
        Ok(open)
    };
    wait::until_value("all runs to complete", open, Vec::is_empty).map(drop)
}

/// Every element was executed once, has one attempt, which is its result, and its whole log.
pub(crate) fn each_ran_once(caller: &Caller, tally: &Tally, runs: &[Planned]) -> Result<()> {
    let mut wrong = Vec::new();
    for run in runs {
        for element in 0..run.count {
            let attempts = caller.attempts(&run.name, element)?;
            let executions = tally.of(&run.name, element)?;
            let once = Executions { started: vec![1], ended: vec![1] };
            if executions != once || attempts.len() != 1 || completed(&attempts) != 1 {
                wrong.push(format!(
                    "{} element {element}: {executions:?}, recorded {}",
                    run.name,
                    Value::from(attempts)
                ));
            }
            wrong.extend(wrong_log(caller, run, element)?);
        }
    }
    assert!(wrong.is_empty(), "{} of {} runs:\n{}", wrong.len(), runs.len(), wrong.join("\n"));
    Ok(())
}

/// What was seen to have ended was not touched again, and nothing is known that nobody submitted.
pub(crate) fn nothing_ran_again(
    caller: &Caller,
    tally: &Tally,
    seen: &BTreeMap<String, Vec<Executions>>,
    runs: &[Planned],
) -> Result<()> {
    for (name, then) in seen {
        for (element, then) in then.iter().enumerate() {
            let now = tally.of(name, u32::try_from(element)?)?;
            assert_eq!(now, *then, "{name} element {element} ran again after it was seen to have ended");
        }
    }
    assert_eq!(seen.len(), runs.len(), "every run was seen to end");
    assert_eq!(caller.list("/runs")?.len(), runs.len(), "no run is there twice");
    Ok(())
}

/// How many attempts are its result.
pub(crate) fn completed(attempts: &[Value]) -> usize {
    attempts.iter().filter(|attempt| attempt["state"] == "Completed").count()
}

fn wrong_log(caller: &Caller, run: &Planned, element: u32) -> Result<Option<String>> {
    let log = caller.get(&format!("/runs/{}/logs?stream=stdout&element={element}", run.name))?.body;
    let whole = match run.nap {
        Some(_) => log == run.printed(element),
        None => counts_up(&log),
    };
    Ok((!whole).then(|| format!("{} element {element}: its log is {log:?}", run.name)))
}

/// `line 1` to `line N`, then `done after N`.
fn counts_up(log: &str) -> bool {
    let Some((lines, last)) = log.trim_end().rsplit_once('\n') else { return false };
    let count = lines.lines().count();
    let in_order = lines.lines().enumerate().all(|(at, line)| line == format!("line {}", at + 1));
    in_order && last == format!("done after {count}") && log.ends_with('\n')
}
