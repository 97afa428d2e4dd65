//! From a job as a client sends it to what the core queues.

use crate::api::{Problem, SubmitRequest};
use crate::problem;
use std::str::FromStr;
use tidegate_scheduler::command::{After, DependsOn, OnDisconnect, Scheduling, Submit};
use tidegate_scheduler::ids::ContentId;
use tidegate_scheduler::limits::agreed;
use tidegate_scheduler::resources::{Need, Resources};
use tidegate_scheduler::state::DEFAULT_WORKSPACE;
use tidegate_scheduler::time::Millis;
use tidegate_spec::{CommandJob, DataPath, Input, TidegateSettings, unsupported};
use tidegate_store::Digest;

/// Between SIGTERM and SIGKILL for a job that does not say.
const DEFAULT_GRACE: Millis = Millis::seconds(30);
/// The experiment of a job that names none.
const DEFAULT_EXPERIMENT: &str = "Default";

/// What the core is to queue, and what it refers to.
pub(crate) struct Submission {
    pub(crate) submit: Submit,
    pub(crate) needs: Vec<Reference>,
}

/// Content that a job refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The key of the job that refers to it.
    pub(crate) key: String,
    /// Its digest.
    pub(crate) digest: Digest,
    /// A folder: the blob lists further ones.
    pub(crate) tree: bool,
}

/// Checks a request and turns it into what the core takes; `spare` is its name when it gives none.
pub(crate) fn read(request: SubmitRequest, spare: impl FnOnce() -> String) -> Result<Submission, Problem> {
    let mut job = CommandJob::from_json(&request.job).map_err(|error| problem::bad_spec("job.", &[error]))?;
    let wrong = unsupported(&job);
    if !wrong.is_empty() {
        return Err(problem::bad_spec("job.", &wrong));
    }
    let needs = references(&job)?;
    // The name is the run's own: bodies that differ in nothing else are stored once.
    let name = request.name.or_else(|| job.name.take()).unwrap_or_else(spare);
    job.name = None;
    job.experiment_name = request.experiment.or(job.experiment_name);
    let experiment = job.experiment_name.clone().unwrap_or_else(|| DEFAULT_EXPERIMENT.to_owned());
    let body = serde_json::to_vec(&job).map_err(problem::internal)?;
    if body.len() > agreed::BODY_BYTES {
        let detail = format!(
            "the job has {} bytes, the limit is {}; put what is large into a file of its `code` or of an input",
            body.len(),
            agreed::BODY_BYTES
        );
        return Err(problem::too_large(detail).at("job"));
    }
    let submit = Submit {
        name,
        workspace: request.workspace.unwrap_or_else(|| DEFAULT_WORKSPACE.to_owned()),
        experiment,
        pool: job.pool().map(str::to_owned),
        count: request.count.unwrap_or(1),
        need: need(&job)?,
        priority: job.priority(),
        scheduling: scheduling(&job.tidegate),
        retries: u16::try_from(job.tidegate.retries).unwrap_or(u16::MAX),
        on_disconnect: match job.tidegate.on_disconnect {
            tidegate_spec::OnDisconnect::Continue => OnDisconnect::Continue,
            tidegate_spec::OnDisconnect::Stop => OnDisconnect::Stop,
        },
        grace: job.tidegate.grace_period.map_or(DEFAULT_GRACE, |seconds| Millis::seconds(seconds.into())),
        digest: ContentId(*Digest::of(&body).as_bytes()),
        body,
    };
    Ok(Submission { submit, needs })
}

/// A whole node, unless the job says which part of one. What it does not mention it does not reserve, and is not
/// limited in.
fn need(job: &CommandJob) -> Result<Need, Problem> {
    let Some(resources) = job.resources.as_ref().filter(|resources| resources.is_part_of_node()) else {
        return Ok(Need::WholeNode);
    };
    let gpus = resources.gpus.unwrap_or(0).checked_mul(1000);
    Ok(Need::Part(Resources {
        vcpu: resources.cpus.unwrap_or(0),
        memory_mib: resources.memory.map_or(0, |memory| memory.mib()),
        gpu_milli: gpus
            .ok_or_else(|| problem::bad_request("no node has that many GPUs").at("job.resources.gpus"))?,
    }))
}

fn scheduling(settings: &TidegateSettings) -> Scheduling {
    let on = |on| match on {
        tidegate_spec::DependsOn::Completed => DependsOn::Completed,
        tidegate_spec::DependsOn::Failed => DependsOn::Failed,
        tidegate_spec::DependsOn::Ended => DependsOn::Ended,
    };
    Scheduling {
        team: settings.team.clone(),
        after: settings
            .after
            .iter()
            .map(|after| After { run: after.run.clone(), on: on(after.on) })
            .collect(),
        max_concurrent: settings.max_concurrent,
    }
}

fn references(job: &CommandJob) -> Result<Vec<Reference>, Problem> {
    let code = job.code.iter().map(|code| ("job.code".to_owned(), code));
    let inputs = job.inputs.iter().filter_map(|(name, input)| match input {
        Input::Data(data) => Some((format!("job.inputs.{name}.path"), &data.path)),
        Input::Literal(_) => None,
    });
    code.chain(inputs).map(|(key, path)| reference(key, path)).collect()
}

fn reference(key: String, path: &DataPath) -> Result<Reference, Problem> {
    let not_ours = |what: &str| {
        let detail = format!(
            "{what}; put the content into the blob store (`PUT /api/v1/blobs/DIGEST`) and give its address, \
             `tree:sha256-…` for a folder or `blob:sha256-…` for a file: `tidegate submit` does so"
        );
        Err(Problem::new(422, "local-path", "The path means nothing here", detail).at(&key))
    };
    match path {
        DataPath::Blob(address) => {
            match address.split_once(':').map(|(kind, digest)| (kind, Digest::from_str(digest))) {
                Some((kind, Ok(digest))) => Ok(Reference { tree: kind == "tree", digest, key }),
                _ => not_ours("it is not a content address"),
            }
        }
        DataPath::Local(path) => not_ours(&format!("`{path}` is a path on the submitting machine")),
        DataPath::Uri(uri) => not_ours(&format!("`{uri}` cannot be fetched")),
    }
}

#[cfg(test)]
#[path = "submission_tests.rs"]
mod tests;
