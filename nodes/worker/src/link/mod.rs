//! What goes between the node and a controller beside messages: blobs, and live logs.

mod addresses;
mod cache;
mod fetch;
mod logs;
mod put;
mod remote;

pub(crate) use addresses::Addresses;
pub(crate) use cache::Cache;
pub(crate) use logs::{LogRequest, serve};
pub(crate) use put::{Contents, Part, Source};
pub(crate) use remote::{Current, Remote};
