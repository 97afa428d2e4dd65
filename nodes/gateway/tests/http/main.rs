//! The gateway over real sockets, on real controllers. No run is ever placed: that is told by the stories of the
//! whole system.

mod cluster;
mod content;
mod controllers;
mod guards;
mod harness;
mod keys;
mod runs;
mod several;
mod starting;
