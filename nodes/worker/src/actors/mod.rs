//! The agent's actors: one owns the attempts, one the links to controllers. Both move values; what to do about them is
//! decided in [`crate::attempts`].

mod agent;
mod dial;
mod farewell;
mod keeper;
mod link;
mod speaker;
mod work;

pub(crate) use agent::{Agent, Parts, Terminate};
pub(crate) use keeper::KeeperPlace;
pub(crate) use link::{Dialing, LinkActor};
