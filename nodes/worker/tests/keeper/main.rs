//! The keeper on real processes. Each test has a keeper of its own, a process as on a node.

mod agents;
mod commands;
mod deaths;
mod limits;
mod logs;
mod node;
mod stops;

/// Not a test: the process that the others start, told by an extra argument.
#[test]
#[ignore = "the keeper's process, started by the other tests"]
fn keeper_process() {
    node::be_the_keeper_if_told();
}
