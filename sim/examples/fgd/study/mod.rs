//! The study of packing: fills a cluster with the tasks of a published list, and lays what came out beside the
//! published table (Weng et al., "Beware of Fragmentation", USENIX ATC'23).

mod expected;
mod fill;
mod lists;
mod published;
mod records;
mod verdict;

pub(crate) use expected::Expected;
pub(crate) use fill::Fill;
pub(crate) use lists::{Cluster, Pods};
pub(crate) use published::Policy;
pub(crate) use verdict::{JUDGED_AT, Outcome, order_is_kept};
