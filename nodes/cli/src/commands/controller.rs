//! `tidegate controller`: a cluster's controllers.

mod init;
mod members;
mod run;

pub(crate) use init::Init;
pub(crate) use members::{Add, Lead, Remove, list};
pub(crate) use run::Run;
