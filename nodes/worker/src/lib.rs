//! See ARCHITECTURE.md.

pub mod keeper;
