//! Support for stories: a real `tidegate up` on a folder and a port of its own, driven by the real command line, and
//! gone without a trace when the story ends, however it ends.
//!
//! ```no_run
//! # fn story() -> anyhow::Result<()> {
//! use tidegate_tests::{Cluster, wait};
//!
//! let mut cluster = Cluster::up()?;
//! cluster.apply(r#"{name: small, type: amlcompute, size: Standard_D2s_v3, max_instances: 2}"#)?;
//! let job = cluster.job("command: sleep 60\nenvironment: azureml:any\ncompute: small\n")?;
//! cluster.tidegate(["submit", &job, "--name", "nap"])?.succeeded()?;
//! cluster.wait_for_state("nap", "Running")?;
//! cluster.kill_controller()?;
//! cluster.restart()?;
//! assert_eq!(cluster.state("nap")?, "Running");
//! # Ok(()) }
//! ```
//!
//! Nothing of a story reaches the user's own settings, and nothing of these reaches a story: see [`Home`].

mod binary;
mod caller;
mod cgroups;
mod client;
mod cluster;
pub mod failover;
pub mod faults;
mod finished;
mod handle;
mod home;
mod http;
mod nodes;
mod options;
mod percentile;
mod processes;
mod replicas;
mod seed;
mod shared;
mod tally;
pub mod wait;

pub use binary::tidegate_binary;
pub use caller::Caller;
pub use cluster::Cluster;
pub use finished::Finished;
pub use home::Home;
pub use http::Answer;
pub use options::Options;
pub use percentile::percentile;
pub use processes::{Process, Role};
pub use replicas::{Lead, Leader, Replicas};
pub use seed::chance;
pub use shared::shared_folder;
pub use tally::{Executions, Tally};
