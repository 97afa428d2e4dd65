//! The agent on real processes: a real agent with its keeper, and the other end of its link, which stores and answers as
//! a controller does.

mod blobs;
mod controller;
mod courses;
mod deaths;
mod ends;
mod leaders;
mod limits;
mod logs;
mod node;
