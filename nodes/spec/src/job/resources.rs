//! What a run takes of the pool's nodes.

use serde::Serialize;

use crate::error::{Problem, SpecError};
use crate::fields::{Field, Shape};
use crate::size::MemorySize;
use crate::tree::Value;

/// The nodes that a run takes, and how much of each.
///
/// Without `cpus`, `memory` and `gpus`, which are Tidegate's own, a run has whole nodes to itself, as in Azure ML.
/// With any of them it shares the node: what it does not mention it does not reserve.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Resources {
    /// How many nodes; 1 when the file does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_count: Option<u32>,
    /// The VM size, for capacity without a pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Up to how many nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instance_count: Option<u32>,
    /// Regions in which the run may be placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<String>>,
    /// The size of the container's shared memory, such as `2g`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<String>,
    /// Arguments for the container's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_args: Option<DockerArgs>,
    /// Settings for particular kinds of capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<serde_json::Map<String, serde_json::Value>>,
    /// Tidegate: vCPU of each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Tidegate: memory of each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemorySize>,
    /// Tidegate: GPUs of each node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
}

/// Arguments for a container's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum DockerArgs {
    /// One line.
    Line(String),
    /// One by one.
    List(Vec<String>),
}

pub(crate) const SHAPE: Shape = Shape {
    known: &[
        "instance_count",
        "instance_type",
        "max_instance_count",
        "locations",
        "shm_size",
        "docker_args",
        "properties",
        "cpus",
        "memory",
        "gpus",
    ],
    read_only: &[],
};

impl Resources {
    pub(crate) fn read(field: &Field<'_>) -> Result<Resources, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let texts = |field: &Field<'_>| field.list()?.iter().map(Field::text).collect::<Result<Vec<_>, _>>();
        let docker_args = |field: &Field<'_>| match field.node.value {
            Value::List(_) => texts(field).map(DockerArgs::List),
            Value::Text(_) => field.text().map(DockerArgs::Line),
            _ => Err(field.wrong_type("text or a list of texts")),
        };
        let properties = |field: &Field<'_>| match field.node.to_json() {
            serde_json::Value::Object(map) => Ok(map),
            _ => Err(field.wrong_type("a map")),
        };
        Ok(Resources {
            instance_count: fields.read("instance_count", |field| field.count(1))?,
            instance_type: fields.text("instance_type")?,
            max_instance_count: fields.read("max_instance_count", |field| field.count(1))?,
            locations: fields.read("locations", texts)?,
            shm_size: fields.text("shm_size")?,
            docker_args: fields.read("docker_args", docker_args)?,
            properties: fields.read("properties", properties)?,
            cpus: fields.read("cpus", |field| part(field, 1, "vCPU"))?,
            memory: fields.read("memory", memory)?,
            gpus: fields.read("gpus", |field| part(field, 0, "GPU"))?,
        })
    }

    /// Whether the run shares its nodes with others.
    pub fn is_part_of_node(&self) -> bool {
        self.cpus.is_some() || self.memory.is_some() || self.gpus.is_some()
    }
}

/// vCPU and GPUs come whole.
fn part(field: &Field<'_>, least: u32, unit: &str) -> Result<u32, SpecError> {
    match field.node.value {
        Value::Float(number) if number.fract() != 0.0 => {
            Err(field.invalid(format!("a whole number of {unit} (a {unit} is not divided between runs)")))
        }
        _ => field.count(least),
    }
}

fn memory(field: &Field<'_>) -> Result<MemorySize, SpecError> {
    let written = match &field.node.value {
        Value::Int(number) => number.to_string(),
        _ => field.text()?,
    };
    written.parse().map_err(|expected: &str| {
        field.error(Problem::Invalid {
            expected: expected.to_owned(),
            found: field.node.value.describe(),
            nearest: None,
        })
    })
}
