//! The binary as people use it: a real server, real workers, real runs.

mod bad_input;
mod cluster;
mod harness;
mod life;
mod members;
mod runs;
mod sim;
mod turns;
