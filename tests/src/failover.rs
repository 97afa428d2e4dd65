//! How long it takes from a fault of the leader to the first command that is started under the next term, with many runs
//! queued and runs being started all the time.

mod backlog;
mod measure;
mod stamps;

pub use backlog::Backlog;
pub use measure::{Fault, Spread, Took, fail_over, tell};
pub use stamps::{Stamp, Stamps};
