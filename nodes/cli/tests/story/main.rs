//! The binary as people use it: a real server, real workers, real runs.

mod bad_input;
mod harness;
mod life;
mod runs;
