//! The controller: actors around the scheduler's core, and what they keep on disk.

pub mod disk;
