//! Packing: which node a task goes on when several share one, and which GPUs on it.
//!
//! GPUs that are free but that nobody can use are lost: half a GPU where tasks want whole ones, or eight GPUs beside
//! one CPU. [`Mix`] counts them, and [`FragmentationAware`] places a task where it makes fewest (Weng et al., "Beware of
//! Fragmentation", USENIX ATC'23). [`Rooms`] finds that place without looking at every node. All is integers.

mod gpus;
mod mix;
mod room;
mod rooms;
mod rule;
mod shape;

pub use gpus::{Devices, Gpus};
pub use mix::Mix;
pub use room::Room;
pub use rooms::{Choice, Rooms};
pub use rule::{FragmentationAware, Rated, Rating, Rule};
pub use shape::{GpuNeed, Model, Models, Shape};

#[cfg(test)]
mod tests;
