//! What controllers keep of each other's: snapshots of the state, blobs, and history; and whom they look for where.

pub(crate) mod blobs;
pub(crate) mod forward;
pub(crate) mod history;
mod places;
mod serving;
mod settled;
pub(crate) mod snapshots;

pub(crate) use places::Places;
pub(crate) use serving::serve;
