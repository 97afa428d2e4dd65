//! A server in this process: a controller, its gateway, and what they need on this machine.

mod announce;
mod config;
mod default_pool;
mod live;
mod node_setup;
mod token;

pub(crate) use config::ServerConfig;
pub(crate) use live::{Plan, live};
