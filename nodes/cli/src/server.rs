//! Servers: a controller, its gateway, and what they need on this machine.

mod announce;
mod config;
mod controller_file;
pub(crate) mod default_pool;
mod join;
mod live;
mod member;
mod node_setup;
mod signals;
mod token;
mod worker_program;

pub(crate) use announce::up as announce_up;
pub(crate) use config::ServerConfig;
pub(crate) use controller_file::{ControllerFile, DEFAULT_HTTP};
pub(crate) use join::{join, token_beside};
pub(crate) use live::{CLUSTER, Plan, live};
pub(crate) use member::{Order, member};
pub(crate) use signals::Signals;
pub(crate) use token::{load_or_make as token_of, make as new_token, save as save_token};
