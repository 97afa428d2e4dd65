//! How the processes of a run find each other.

use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Fields, Shape};

/// How the processes of a run are started and find each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// Which framework's way.
    #[serde(flatten)]
    pub kind: DistributionKind,
}

/// The frameworks and their settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum DistributionKind {
    /// PyTorch: `RANK`, `WORLD_SIZE`, `MASTER_ADDR` and so on.
    PyTorch {
        /// Processes on each node; 1 when the file does not say.
        #[serde(skip_serializing_if = "Option::is_none")]
        process_count_per_instance: Option<u32>,
    },
    /// MPI: an `mpirun` over all nodes.
    Mpi {
        /// Processes on each node; 1 when the file does not say.
        #[serde(skip_serializing_if = "Option::is_none")]
        process_count_per_instance: Option<u32>,
    },
    /// TensorFlow: `TF_CONFIG`.
    TensorFlow {
        /// Parameter servers; 0 when the file does not say.
        #[serde(skip_serializing_if = "Option::is_none")]
        parameter_server_count: Option<u32>,
        /// Workers; as many as nodes when the file does not say.
        #[serde(skip_serializing_if = "Option::is_none")]
        worker_count: Option<u32>,
    },
    /// A Ray cluster.
    Ray {
        /// The head's port.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u32>,
        /// The head's address.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Whether the dashboard is started.
        #[serde(skip_serializing_if = "Option::is_none")]
        include_dashboard: Option<bool>,
        /// The dashboard's port.
        #[serde(skip_serializing_if = "Option::is_none")]
        dashboard_port: Option<u32>,
        /// Further arguments for the head.
        #[serde(skip_serializing_if = "Option::is_none")]
        head_node_additional_args: Option<String>,
        /// Further arguments for the workers.
        #[serde(skip_serializing_if = "Option::is_none")]
        worker_node_additional_args: Option<String>,
    },
}

#[derive(Clone, Copy)]
enum Framework {
    PyTorch,
    Mpi,
    TensorFlow,
    Ray,
}

const FRAMEWORKS: [(&str, Framework); 4] = [
    ("pytorch", Framework::PyTorch),
    ("mpi", Framework::Mpi),
    ("tensorflow", Framework::TensorFlow),
    ("ray", Framework::Ray),
];

pub(crate) const PROCESSES: Shape = Shape { known: &["type", "process_count_per_instance"], read_only: &[] };
pub(crate) const TENSORFLOW: Shape =
    Shape { known: &["type", "parameter_server_count", "worker_count"], read_only: &[] };
pub(crate) const RAY: Shape = Shape {
    known: &[
        "type",
        "port",
        "address",
        "include_dashboard",
        "dashboard_port",
        "head_node_additional_args",
        "worker_node_additional_args",
    ],
    read_only: &[],
};
/// What any of them may have: to read `type` before the shape is known.
const ANY: Shape = Shape {
    known: &[
        "type",
        "process_count_per_instance",
        "parameter_server_count",
        "worker_count",
        "port",
        "address",
        "include_dashboard",
        "dashboard_port",
        "head_node_additional_args",
        "worker_node_additional_args",
    ],
    read_only: &[],
};

impl Distribution {
    pub(crate) fn read(field: &Field<'_>) -> Result<Distribution, SpecError> {
        let framework = field.shaped(&ANY)?.need("type")?.choice(&FRAMEWORKS, str::to_lowercase)?;
        let processes =
            |fields: &Fields<'_>| fields.read("process_count_per_instance", |field| field.count(1));
        let port = |fields: &Fields<'_>, key| {
            let port = fields.read(key, |field: &Field<'_>| field.whole(0, 65_535))?;
            Ok::<_, SpecError>(port.and_then(|port| u32::try_from(port).ok()))
        };
        let kind = match framework {
            Framework::PyTorch => DistributionKind::PyTorch {
                process_count_per_instance: processes(&field.shaped(&PROCESSES)?)?,
            },
            Framework::Mpi => {
                DistributionKind::Mpi { process_count_per_instance: processes(&field.shaped(&PROCESSES)?)? }
            }
            Framework::TensorFlow => {
                let fields = field.shaped(&TENSORFLOW)?;
                DistributionKind::TensorFlow {
                    parameter_server_count: fields.read("parameter_server_count", |field| field.count(0))?,
                    worker_count: fields.read("worker_count", |field| field.count(1))?,
                }
            }
            Framework::Ray => {
                let fields = field.shaped(&RAY)?;
                DistributionKind::Ray {
                    port: port(&fields, "port")?,
                    address: fields.text("address")?,
                    include_dashboard: fields.read("include_dashboard", Field::boolean)?,
                    dashboard_port: port(&fields, "dashboard_port")?,
                    head_node_additional_args: fields.text("head_node_additional_args")?,
                    worker_node_additional_args: fields.text("worker_node_additional_args")?,
                }
            }
        };
        Ok(Distribution { kind })
    }

    /// Whether it comes to one process on one node, which any node can start as it is.
    pub fn is_single_process(&self, instance_count: u32) -> bool {
        instance_count == 1
            && match self.kind {
                DistributionKind::PyTorch { process_count_per_instance: processes }
                | DistributionKind::Mpi { process_count_per_instance: processes } => {
                    processes.unwrap_or(1) == 1
                }
                DistributionKind::TensorFlow { parameter_server_count, worker_count } => {
                    parameter_server_count.unwrap_or(0) == 0 && worker_count.unwrap_or(1) == 1
                }
                DistributionKind::Ray { .. } => false,
            }
    }

    /// The variables by which the only process of a run learns that it is alone; empty when it need not.
    ///
    /// For a distribution of which [`Distribution::is_single_process`] holds.
    pub fn single_process_variables(&self) -> Vec<(&'static str, &'static str)> {
        match self.kind {
            DistributionKind::PyTorch { .. } => vec![
                ("RANK", "0"),
                ("LOCAL_RANK", "0"),
                ("NODE_RANK", "0"),
                ("WORLD_SIZE", "1"),
                ("MASTER_ADDR", "127.0.0.1"),
                ("MASTER_PORT", "6105"),
            ],
            DistributionKind::TensorFlow { .. } => vec![(
                "TF_CONFIG",
                r#"{"cluster": {"worker": ["127.0.0.1:2222"]}, "task": {"type": "worker", "index": 0}}"#,
            )],
            DistributionKind::Mpi { .. } | DistributionKind::Ray { .. } => Vec::new(),
        }
    }
}
