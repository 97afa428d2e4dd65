//! Links over real sockets on loopback: who is let in, what is carried, and what happens when a side is slow, wrong or gone.

mod bulk;
mod hostile;
mod messages;
mod pair;
mod reconnect;
mod trust;
