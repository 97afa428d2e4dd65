//! The keeper on real processes. Each test has a keeper of its own, a process as on a node.

mod agents;
mod commands;
mod deaths;
mod limits;
mod logs;
mod node;
mod stops;
