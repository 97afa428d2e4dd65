//! A command job: what to run, on what, with which inputs.

mod distribution;
mod environment;
mod extension;
mod identity;
mod input;
mod limits;
mod origin;
mod output;
mod queue;
mod resources;
mod service;

use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};

pub use distribution::{Distribution, DistributionKind};
pub use environment::{Build, CondaFile, EnvironmentRef, InlineEnvironment};
pub use extension::{After, DependsOn, OnDisconnect, TidegateSettings};
pub(crate) use identity::snake_case;
pub use identity::{Identity, IdentityKind};
pub use input::{DataInput, DataKind, Input, InputMode};
pub use limits::Limits;
pub(crate) use origin::Origin;
pub use output::{Output, OutputMode};
pub use queue::{JobTier, Priority, QueueSettings};
pub use resources::{DockerArgs, Resources};
pub use service::{Service, ServiceKind};

use crate::data_path::DataPath;
use crate::error::{Place, Problem, SpecError};
use crate::expand;
use crate::fields::{Field, Shape};
use crate::literal::Literal;
use crate::source::{FILE_LIMIT, Source};
use crate::tree::{Node, Value};

/// A command job of Azure ML's v2 schema, with Tidegate's own additions.
///
/// Serialised it has the YAML's keys and order, without what is empty: this is the body that a client posts
/// and a worker receives. Deserialising validates by the same rules as reading YAML does.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommandJob {
    /// The run's name; the client chooses one when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name that people see; the run's name when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Free text about the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The experiment; a file without one belongs to the experiment named after its folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_name: Option<String>,
    /// Tags, which can be changed later. A tag may have no value.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub tags: IndexMap<String, Option<String>>,
    /// Properties, which cannot be changed later.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub properties: IndexMap<String, Option<String>>,
    /// The command line, with its expressions unexpanded; see [`CommandJob::template`].
    pub command: String,
    /// The file or folder whose copy is the command's working folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<DataPath>,
    /// Inputs by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, Input>,
    /// Outputs by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub outputs: IndexMap<String, Output>,
    /// The environment that the command needs.
    pub environment: EnvironmentRef,
    /// Environment variables by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub environment_variables: IndexMap<String, Literal>,
    /// The pool as written, perhaps with a leading `azureml:`; see [`CommandJob::pool`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<String>,
    /// What the run takes of the pool's nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// When the run is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How urgent the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_settings: Option<QueueSettings>,
    /// How the run's processes find each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Interactive services beside the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<IndexMap<String, Service>>,
    /// As whom the run acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The run that this one belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_job_name: Option<String>,
    /// What Azure ML has no word for.
    #[serde(skip_serializing_if = "TidegateSettings::is_default")]
    pub tidegate: TidegateSettings,
    /// Where each key stands, when the job was read from YAML.
    #[serde(skip)]
    pub(crate) origin: Origin,
}

pub(crate) const SHAPE: Shape = Shape {
    known: &[
        "$schema",
        "type",
        "name",
        "display_name",
        "description",
        "experiment_name",
        "tags",
        "properties",
        "command",
        "code",
        "inputs",
        "outputs",
        "environment",
        "environment_variables",
        "compute",
        "resources",
        "limits",
        "queue_settings",
        "distribution",
        "services",
        "identity",
        "parent_job_name",
        "tidegate",
    ],
    read_only: &["id", "status", "creation_context", "log_files", "parameters"],
};

impl CommandJob {
    /// Reads the tree of a command job. `folder` is where relative paths start, if anywhere.
    pub(crate) fn read(root: &Field<'_>, folder: Option<&Path>) -> Result<CommandJob, SpecError> {
        let fields = root.shaped(&SHAPE)?;
        fields.read("type", |field| field.choice(&[("command", ())], str::to_owned))?;
        let code = |field: &Field<'_>| match field.text()?.as_str() {
            "" => Err(field.invalid("a path or a reference")),
            text => Ok(DataPath::parse(text)),
        };
        let job = CommandJob {
            name: fields.text("name")?,
            display_name: fields.text("display_name")?,
            description: fields.text("description")?,
            experiment_name: fields.text("experiment_name")?.or_else(|| folder.and_then(experiment_of)),
            tags: fields.read("tags", labels)?.unwrap_or_default(),
            properties: fields.read("properties", labels)?.unwrap_or_default(),
            command: expand::double_braces(&fields.need("command")?.text()?),
            code: fields.read("code", code)?,
            inputs: fields.read("inputs", input::read_all)?.unwrap_or_default(),
            outputs: fields.read("outputs", output::read_all)?.unwrap_or_default(),
            environment: EnvironmentRef::read(&fields.need("environment")?, folder)?,
            environment_variables: fields.read("environment_variables", variables)?.unwrap_or_default(),
            compute: fields.read("compute", compute)?,
            resources: fields.read("resources", Resources::read)?,
            limits: fields.read("limits", Limits::read)?,
            queue_settings: fields.read("queue_settings", QueueSettings::read)?,
            distribution: fields.read("distribution", Distribution::read)?,
            services: fields.read("services", service::read_all)?,
            identity: fields.read("identity", Identity::read)?,
            parent_job_name: fields.text("parent_job_name")?,
            tidegate: fields.read("tidegate", TidegateSettings::read)?.unwrap_or_default(),
            origin: Origin::of(root),
        };
        // The real client refuses a missing input at once; what else may be wrong with an expression is told when
        // the job is to be run.
        if let Ok(template) = expand::Template::parse_parts(&job.command) {
            let inputs = job.inputs.keys().map(String::as_str);
            template.check_inputs(inputs).map_err(|flaw| job.origin.flaw_in_command(flaw))?;
        }
        Ok(job)
    }

    /// Takes a job from a JSON value, validated by the same rules as a file.
    ///
    /// # Errors
    /// As for a file; places are keys without lines.
    pub fn from_json(value: &serde_json::Value) -> Result<CommandJob, SpecError> {
        Node::deserialize(value).map_err(malformed).and_then(|node| CommandJob::from_node(&node))
    }

    /// Takes a job from JSON text of at most [`FILE_LIMIT`] bytes, validated by the same rules as a file.
    ///
    /// # Errors
    /// As for a file; a key given twice is refused as well.
    pub fn from_json_bytes(bytes: &[u8]) -> Result<CommandJob, SpecError> {
        if bytes.len() as u64 > FILE_LIMIT {
            let problem = Problem::TooLarge { bytes: Some(bytes.len() as u64), limit: FILE_LIMIT };
            return Err(SpecError::new(problem, Place::default()));
        }
        serde_json::from_slice::<Node>(bytes).map_err(malformed).and_then(|node| CommandJob::from_node(&node))
    }

    fn from_node(node: &Node) -> Result<CommandJob, SpecError> {
        let source: Arc<Source> = Source::new("", "");
        CommandJob::read(&Field::root(node, &source), None)
    }

    /// The pool's bare name: `compute` without `azureml:` or the path before the name. None when the default
    /// pool is meant: no `compute`, or `serverless`.
    pub fn pool(&self) -> Option<&str> {
        let written = self.compute.as_deref()?;
        let name = written.strip_prefix("azureml:").unwrap_or(written);
        let name = name.rsplit('/').next().unwrap_or(name);
        (!name.eq_ignore_ascii_case("serverless")).then_some(name)
    }

    /// The run's priority, 0 to 100: `tidegate.priority`, else what `queue_settings.priority` stands for
    /// (low 25, medium 50, high 75), else 50.
    pub fn priority(&self) -> u8 {
        let named = self.queue_settings.as_ref().and_then(|queue| queue.priority);
        self.tidegate.priority.unwrap_or_else(|| named.unwrap_or_default().level())
    }

    /// How many nodes the run takes; 1 unless `resources.instance_count` says more.
    pub fn instance_count(&self) -> u32 {
        self.resources.as_ref().and_then(|resources| resources.instance_count).unwrap_or(1)
    }

    /// The command, parsed, with every reference checked against the job's inputs and outputs.
    ///
    /// # Errors
    /// An expression that is not closed or refers to nothing; where it stands and the nearest known name.
    pub fn template(&self) -> Result<expand::Template, SpecError> {
        expand::Template::parse_parts(&self.command)
            .and_then(|template| {
                template.check_inputs(self.inputs.keys().map(String::as_str))?;
                template.check_outputs(self.outputs.keys().map(String::as_str))?;
                Ok(template)
            })
            .map_err(|flaw| self.origin.flaw_in_command(flaw))
    }
}

impl<'de> Deserialize<'de> for CommandJob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CommandJob, D::Error> {
        let node = Node::deserialize(deserializer)?;
        CommandJob::from_node(&node).map_err(serde::de::Error::custom)
    }
}

fn malformed(error: serde_json::Error) -> SpecError {
    SpecError::new(Problem::Malformed { what: error.to_string() }, Place::default())
}

/// The experiment of a file that names none: its folder's name without extension and spaces.
fn experiment_of(folder: &Path) -> Option<String> {
    let folder = std::fs::canonicalize(folder).ok()?;
    let name = folder.file_stem().map(|stem| stem.to_string_lossy().replace(' ', "")).unwrap_or_default();
    Some(if name.is_empty() { "Default".to_owned() } else { name })
}

/// Tags and properties: text, or nothing.
pub(crate) fn labels(field: &Field<'_>) -> Result<IndexMap<String, Option<String>>, SpecError> {
    let label = |(name, value): (&str, Field<'_>)| match value.node.value {
        Value::Null => Ok((name.to_owned(), None)),
        _ => Ok((name.to_owned(), Some(value.text()?))),
    };
    field.entries()?.into_iter().map(label).collect()
}

fn variables(field: &Field<'_>) -> Result<IndexMap<String, Literal>, SpecError> {
    let variable = |(name, value): (&str, Field<'_>)| {
        // The system's own rule: neither side of `name=value` may hold a zero byte, nor the name a `=`.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(value.contradiction("not a name that an environment variable can have"));
        }
        match Literal::read(&value)? {
            Literal::Text(text) if text.contains('\0') => Err(value.invalid("text without a zero byte")),
            literal => Ok((name.to_owned(), literal)),
        }
    };
    field.entries()?.into_iter().map(variable).collect()
}

fn compute(field: &Field<'_>) -> Result<String, SpecError> {
    let written = field.text()?;
    match written.strip_prefix("azureml:").unwrap_or(&written) {
        "" => Err(field.invalid("the name of a pool")),
        _ => Ok(written),
    }
}

/// The shapes of a job and its parts, for the test that compares them with the real schema.
#[cfg(test)]
pub(crate) mod shapes {
    pub(crate) use super::SHAPE as JOB;
    pub(crate) use super::distribution::{PROCESSES, RAY, TENSORFLOW};
    pub(crate) use super::environment::{BUILD, ROUTE, ROUTES, SHAPE as ENVIRONMENT};
    pub(crate) use super::identity::SHAPE as IDENTITY;
    pub(crate) use super::input::SHAPE as INPUT;
    pub(crate) use super::limits::SHAPE as LIMITS;
    pub(crate) use super::output::SHAPE as OUTPUT;
    pub(crate) use super::resources::SHAPE as RESOURCES;
    pub(crate) use super::service::SHAPE as SERVICE;
}
