//! Several controllers in hosts of their own.
