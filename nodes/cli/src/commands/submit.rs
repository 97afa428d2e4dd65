//! `tidegate submit`.

mod after;

use after::AfterArg;

use crate::args::Global;
use crate::client::{Client, segment};
use crate::failure::Failure;
use crate::follow;
use crate::interrupt;
use crate::log;
use crate::output::{self, Format, note};
use crate::upload::upload;
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tidegate_gateway::api::{RunDetails, SubmitAnswer, SubmitRequest};
use tidegate_gateway::friendly_name;
use tidegate_spec::{CommandJob, Document, read_file, unsupported};

const EXAMPLES: &str = "\
Examples:
  tidegate submit job.yml                        queue it; prints the run's name
  tidegate submit job.yml --stream               show what it prints; exit as it ended
  tidegate submit job.yml --count 1000           an array: each element knows its number
  tidegate submit job.yml --name n1 --wait       sent again, a name gives the same run
  tidegate submit job.yml --set inputs.rate=0.1 --set compute=big
  tidegate submit test.yml --after train         once the run `train` has ended well
  tidegate submit tell.yml --after train:failed  once it has failed or was cancelled
  tidegate submit job.yml --count 100 --max-concurrent 10 --team nlp

The file is a command job of Azure ML's. Its `code` and local inputs are uploaded, unless the
server has them already. Ctrl-C during --wait or --stream leaves the run alone.";

/// What to queue, and how.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Submit {
    /// A job file
    #[arg(required_unless_present = "file_option")]
    file: Option<PathBuf>,
    /// The same, as `az` has it
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "file", id = "file_option")]
    file_option: Option<PathBuf>,
    /// The run's name, in place of the file's; made up when neither has one
    #[arg(short, long)]
    name: Option<String>,
    /// Make it an array of so many elements
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Change a key of the file, such as `inputs.rate=0.1`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The experiment, in place of the file's
    #[arg(long, value_name = "NAME")]
    experiment: Option<String>,
    /// Start it once this run has ended well, or `:failed`, or `:ended` however; may be repeated, and adds to the file's
    #[arg(long, value_name = "RUN[:failed|:ended]")]
    after: Vec<AfterArg>,
    /// Whose run it is, where several teams share the pool; in place of the file's
    #[arg(long)]
    team: Option<String>,
    /// No more elements of the array than this run at once; in place of the file's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_concurrent: Option<u32>,
    /// Wait until the run has ended; the exit code tells how
    #[arg(long, conflicts_with = "stream")]
    wait: bool,
    /// Show what the run prints as it prints it, and wait
    #[arg(long)]
    stream: bool,
    /// Tell what would happen (not supported yet)
    #[arg(long)]
    dry_run: bool,
}

impl Submit {
    pub(crate) fn run(&self, format: Format, global: &Global) -> Result<(), Failure> {
        if self.dry_run {
            let text = "--dry-run is not supported yet; `tidegate spec FILE` shows how the file is read";
            return Err(Failure::Usage(text.to_owned()));
        }
        let file = self.file.as_ref().or(self.file_option.as_ref());
        let file = file.ok_or_else(|| Failure::Usage("give a job file".to_owned()))?;
        let mut job = self.read(file)?;
        let client = Client::new(global)?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        upload(&mut job, folder, &client)?;
        // Chosen here, before it is sent: if the answer is lost, sending again is harmless.
        let name = self.name.clone().or_else(|| job.name.clone()).unwrap_or_else(friendly_name);
        let request = SubmitRequest {
            name: Some(name.clone()),
            job: serde_json::to_value(&job).map_err(anyhow::Error::from)?,
            count: self.count,
            experiment: self.experiment.clone(),
            workspace: client.workspace(),
        };
        let answer: SubmitAnswer = client.post("/runs", &[], &request)?;
        if answer.known {
            note(format_args!("run {name} had been accepted before; nothing was added"));
        }
        self.after(format, &client, &answer)
    }

    fn read(&self, file: &Path) -> Result<CommandJob, Failure> {
        let Document::Command(job) = read_file(file)? else {
            let file = file.display();
            return Err(Failure::Usage(format!(
                "{file} is a pool, not a job; make it with `tidegate pool apply {file}`"
            )));
        };
        let mut job = if self.set.is_empty() { *job } else { with_changes(&job, &self.set)? };
        job.tidegate.after.extend(self.after.iter().map(|after| after.0.clone()));
        job.tidegate.team = self.team.clone().or(job.tidegate.team);
        job.tidegate.max_concurrent = self.max_concurrent.or(job.tidegate.max_concurrent);
        let wrong = unsupported(&job);
        if wrong.is_empty() { Ok(job) } else { Err(Failure::Spec(wrong)) }
    }

    fn after(&self, format: Format, client: &Client, answer: &SubmitAnswer) -> Result<(), Failure> {
        let name = &answer.name;
        if !self.wait && !self.stream {
            return format.print(answer, |answer| answer.name.clone());
        }
        if !self.stream && format == Format::Table {
            output::line(name)?;
        }
        interrupt::detach_with(format!(
            "the run goes on; `tidegate run logs -f {name}` shows it again, `tidegate run cancel {name}` ends it"
        ))?;
        if self.stream {
            note(format_args!("run {name}"));
            log::print_both(client, name, None, true)?;
        }
        let status = follow::wait(client, name, false)?;
        if self.wait && format != Format::Table {
            let details: RunDetails = client.get(&format!("/runs/{}", segment(name)), &[])?;
            format.print(&details, |_| String::new())?;
        }
        follow::conclude(&status)
    }
}

/// The job with some of its keys changed.
fn with_changes(job: &CommandJob, changes: &[String]) -> Result<CommandJob, Failure> {
    let mut value = serde_json::to_value(job).map_err(anyhow::Error::from)?;
    for change in changes {
        let wrong = |what: &str| Failure::Usage(format!("--set {change}: {what}"));
        let (key, new) = change.split_once('=').ok_or_else(|| wrong("give KEY=VALUE"))?;
        set(&mut value, key, scalar(new)).map_err(|what| wrong(&what))?;
    }
    CommandJob::from_json(&value).map_err(|error| Failure::Usage(format!("--set: {error}")))
}

/// Text as YAML would read it, where that is a number, a boolean, null, or a list or map in JSON's form.
fn scalar(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn set(value: &mut Value, key: &str, new: Value) -> Result<(), String> {
    let mut place = value;
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        if part.is_empty() {
            return Err(format!("`{key}` has an empty part"));
        }
        // An optional part may stand there as nothing.
        if place.is_null() {
            *place = Value::Object(serde_json::Map::new());
        }
        let Some(map) = place.as_object_mut() else {
            return Err(format!("what stands before `{part}` has no keys of its own"));
        };
        if parts.peek().is_none() {
            map.insert(part.to_owned(), new);
            return Ok(());
        }
        place = map.entry(part).or_insert(Value::Null);
    }
    Err("the key is empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_changed_and_made() {
        let mut job = json!({"inputs": {"rate": 1, "data": {"path": "a"}}, "command": "x"});
        set(&mut job, "inputs.rate", scalar("0.5")).unwrap();
        set(&mut job, "inputs.data.path", scalar("./b")).unwrap();
        set(&mut job, "limits.timeout", scalar("60")).unwrap();
        set(&mut job, "tags.a", scalar("\"1\"")).unwrap();
        let wanted = json!({"inputs": {"rate": 0.5, "data": {"path": "./b"}}, "command": "x",
            "limits": {"timeout": 60}, "tags": {"a": "1"}});
        assert_eq!(job, wanted);
        assert!(set(&mut job, "command.x", Value::Null).is_err());
        assert!(set(&mut job, "a..b", Value::Null).is_err());
    }
}
