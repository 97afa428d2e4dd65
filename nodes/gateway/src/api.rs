//! What goes over HTTP as JSON, for the gateway that writes it and for clients that read it.
//!
//! A release adds keys and never takes one away within `/api/v1`; a client ignores keys that it does not know.

mod controller;
mod node;
mod output;
mod page;
mod pool;
mod problem;
mod quota;
mod run;
mod status;
mod submit;
mod times;
mod workspace;

pub use controller::{ControllerRole, ControllerView, Drain, DrainView, Invite};
pub use node::{NodeState, NodeView};
pub use output::{OutputList, OutputView};
pub use page::Page;
pub use pool::{NodeCounts, PoolDelete, PoolView, SizeView};
pub use problem::{Finding, Problem};
pub use quota::{QuotaAllowance, QuotaBudget, QuotaPeriod, QuotaPut, QuotaView};
pub use run::{
    AfterView, AttemptView, BandName, DependsOnName, ElementCounts, ElementView, Explanation, NeedView,
    Reason, RunDetails, RunState, RunStatus, RunSummary, Touched,
};
pub use status::StatusView;
pub use submit::{BatchAnswer, BatchItem, BatchSubmit, MissingBlobs, SubmitAnswer, SubmitRequest};
pub use times::{Timestamp, format_wall};
pub use workspace::{WorkspaceLimits, WorkspaceView};
