//! What a run's body asks of the node: what to fetch, what to make, what to run.

mod bodies;
mod direct;
mod plan;
mod shell;
mod variables;

pub(crate) use bodies::{Bodies, Reading};
pub(crate) use plan::{Content, InputPlan, Job, OutputPlan};
pub(crate) use shell::command_line;
pub(crate) use variables::{Base, variables};
