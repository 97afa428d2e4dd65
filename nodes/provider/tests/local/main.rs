//! The provider `local` on real processes.

mod boot;
mod departure;
mod restart;
mod rig;
