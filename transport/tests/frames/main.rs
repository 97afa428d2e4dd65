//! Frames against any bytes: by property, by mutation, and with every allocation counted.

mod hostile;
mod memory;
mod message;
mod property;
mod seeds;
