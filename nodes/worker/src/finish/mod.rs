//! Storing what an attempt left, and making its report.

mod logs;
mod outputs;
mod report;

pub(crate) use logs::{hole_text, open_parts};
pub(crate) use report::{Collected, Effort, Finished, broken, collect, seal, store};
