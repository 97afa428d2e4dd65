//! What can be read but not run yet: refused by name when it is submitted, never dropped.

use crate::data_path::DataPath;
use crate::error::{Problem, SpecError};
use crate::job::{CommandJob, DataInput, Input, InputMode, JobTier, Output, OutputMode, Resources};
use crate::pool::PoolSpec;

/// Checks that everything a job asks for can be had.
///
/// # Errors
/// The first of [`unsupported`].
pub fn supported(job: &CommandJob) -> Result<(), SpecError> {
    first(unsupported(job))
}

/// Everything that a job asks for and that cannot be had, each at its key; also what is wrong with its
/// command's expressions and its name.
pub fn unsupported(job: &CommandJob) -> Vec<SpecError> {
    let mut findings = Findings::default();
    if let Some(DataPath::Uri(uri)) = &job.code {
        findings.add("code", format!("code from `{uri}`"), Some("give a local file or folder"));
    }
    for (name, input) in &job.inputs {
        if let Input::Data(data) = input {
            check_input(&format!("inputs.{name}"), data, &mut findings);
        }
    }
    for (name, output) in &job.outputs {
        check_output(&format!("outputs.{name}"), output, &mut findings);
    }
    if let Some(resources) = &job.resources {
        check_resources(resources, &mut findings);
    }
    check_placement(job, &mut findings);
    if job.services.as_ref().is_some_and(|services| !services.is_empty()) {
        findings.add("services", "interactive services beside the command", Some("leave `services` out"));
    }
    if job.identity.is_some() {
        findings.add("identity", "a run with an identity of its own", Some("leave `identity` out"));
    }
    if job.parent_job_name.is_some() {
        findings.add("parent_job_name", "a run that is nested in another", None);
    }
    let mut errors: Vec<SpecError> =
        findings.0.into_iter().map(|(key, problem)| job.origin.error(&key, problem)).collect();
    errors.extend(invalid_name(job.name.as_deref()).map(|problem| job.origin.error("name", problem)));
    if job.command.trim().is_empty() {
        let problem = Problem::Contradiction { what: "the command is empty".to_owned() };
        errors.push(job.origin.error("command", problem));
    }
    errors.extend(job.template().err());
    errors
}

/// Checks that everything a pool asks for can be had.
///
/// # Errors
/// The first of [`unsupported_pool`].
pub fn supported_pool(pool: &PoolSpec) -> Result<(), SpecError> {
    first(unsupported_pool(pool))
}

/// Everything that a pool asks for and that cannot be had, each at its key.
pub fn unsupported_pool(pool: &PoolSpec) -> Vec<SpecError> {
    let mut findings = Findings::default();
    if pool.identity.is_some() {
        findings.add("identity", "nodes with an identity of their own", None);
    }
    if pool.ssh_settings.is_some() {
        findings.add("ssh_settings", "logging in to nodes", None);
    }
    if pool.ssh_public_access_enabled == Some(true) {
        findings.add("ssh_public_access_enabled", "opening the nodes' SSH port", None);
    }
    if pool.network_settings.is_some() {
        findings.add("network_settings", "placing nodes in a virtual network", None);
    }
    if !pool.enable_node_public_ip {
        findings.add("enable_node_public_ip", "nodes without addresses of their own", None);
    }
    if pool.resource_id.is_some() {
        findings.add("resource_id", "attaching existing VMs", None);
    }
    let mut errors: Vec<SpecError> =
        findings.0.into_iter().map(|(key, problem)| pool.origin.error(&key, problem)).collect();
    errors.extend(invalid_name(Some(&pool.name)).map(|problem| pool.origin.error("name", problem)));
    errors
}

#[derive(Default)]
struct Findings(Vec<(String, Problem)>);

impl Findings {
    fn add(&mut self, key: &str, what: impl Into<String>, advice: Option<&'static str>) {
        self.0.push((key.to_owned(), Problem::Unsupported { what: what.into(), advice }));
    }
}

fn first(errors: Vec<SpecError>) -> Result<(), SpecError> {
    errors.into_iter().next().map_or(Ok(()), Err)
}

/// Names appear in addresses, folders and file names.
fn invalid_name(name: Option<&str>) -> Option<Problem> {
    let name = name?;
    let fine = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 255
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    (!fine).then(|| Problem::Invalid {
        expected: "up to 255 letters, digits, `-` and `_`, of which the first is a letter or digit"
            .to_owned(),
        found: format!("`{}`", crate::tree::shorten(name)),
        nearest: None,
    })
}

fn check_input(key: &str, data: &DataInput, findings: &mut Findings) {
    let child = |name: &str| format!("{key}.{name}");
    if let DataPath::Uri(uri) = &data.path {
        let kind = data.kind().name();
        let what = format!("an input of type {kind} from `{uri}`");
        findings.add(&child("path"), what, Some("give a local file or folder"));
    }
    match data.mode {
        Some(InputMode::Direct) => {
            findings.add(&child("mode"), "the mode `direct`", Some("use `ro_mount` or `download`"));
        }
        Some(InputMode::EvalMount | InputMode::EvalDownload) => {
            let what = "evaluating a table before the run";
            findings.add(&child("mode"), what, Some("use `ro_mount` or `download`"));
        }
        Some(InputMode::RoMount | InputMode::Download) | None => {}
    }
    if data.path_on_compute.is_some() {
        findings.add(&child("path_on_compute"), "choosing where on the node an input is", None);
    }
    if data.datastore.is_some() {
        findings.add(
            &child("datastore"),
            "choosing the datastore of an upload",
            Some("leave `datastore` out"),
        );
    }
}

fn check_output(key: &str, output: &Output, findings: &mut Findings) {
    let child = |name: &str| format!("{key}.{name}");
    if let Some(path) = &output.path {
        findings.add(&child("path"), format!("storing an output at `{path}`"), Some("leave `path` out"));
    }
    if output.mode == Some(OutputMode::Direct) {
        findings.add(&child("mode"), "the mode `direct`", Some("use `rw_mount` or `upload`"));
    }
    if output.name.is_some() {
        findings.add(
            &child("name"),
            "registering an output as an asset",
            Some("leave `name` and `version` out"),
        );
    }
}

fn check_resources(resources: &Resources, findings: &mut Findings) {
    let containers = "settings of a container; commands run without containers";
    if resources.instance_count.is_some_and(|count| count > 1) {
        findings.add("resources.instance_count", "a run on more than one instance", None);
    }
    if resources.max_instance_count.is_some_and(|count| count > 1) {
        findings.add("resources.max_instance_count", "a run on more than one instance", None);
    }
    if resources.instance_type.is_some() {
        let advice = Some("name a pool of that size as `compute`");
        findings.add("resources.instance_type", "choosing a VM size for one run", advice);
    }
    if resources.shm_size.is_some() {
        findings.add("resources.shm_size", containers, None);
    }
    if resources.docker_args.is_some() {
        findings.add("resources.docker_args", containers, None);
    }
    if resources.locations.as_ref().is_some_and(|locations| !locations.is_empty()) {
        findings.add("resources.locations", "choosing regions for one run", Some("name a pool as `compute`"));
    }
    if resources.properties.as_ref().is_some_and(|properties| !properties.is_empty()) {
        findings.add("resources.properties", "settings for particular kinds of capacity", None);
    }
}

fn check_placement(job: &CommandJob, findings: &mut Findings) {
    let local = job.compute.as_deref().is_some_and(|compute| compute.eq_ignore_ascii_case("local"));
    if local {
        let advice = Some("leave `compute` out to use the default pool");
        findings.add("compute", "running on the submitting machine", advice);
    }
    if let Some(queue) = &job.queue_settings
        && let Some(tier @ (JobTier::Spot | JobTier::Basic | JobTier::Premium)) = queue.job_tier
    {
        let what = format!("the job tier `{}`", format!("{tier:?}").to_lowercase());
        findings.add("queue_settings.job_tier", what, Some("name a pool of the tier you want as `compute`"));
    }
    if let Some(distribution) = &job.distribution
        && !distribution.is_single_process(job.instance_count())
    {
        findings.add("distribution", "a distribution over more than one process", None);
    }
}

#[cfg(test)]
#[path = "supported_tests.rs"]
mod tests;
