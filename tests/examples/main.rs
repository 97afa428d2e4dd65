//! The job and pool files in `examples/`, read as users' files are read.
