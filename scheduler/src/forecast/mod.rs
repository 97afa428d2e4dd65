//! What would happen, and why something does not: read from the state, changing nothing.

mod explain;

pub use explain::{Blocked, explain};
