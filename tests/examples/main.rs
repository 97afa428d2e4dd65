//! The job and pool files in `examples/`, read as users' files are read: each says what it shows, can be run, and
//! together they use every key that is supported.

mod files;
mod keys;
mod refused;
