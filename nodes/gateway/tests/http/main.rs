//! The gateway over real sockets, on a real controller. No run is ever placed: that is told by the stories of the
//! whole system.

mod content;
mod guards;
mod harness;
mod runs;
