//! The support library against a real server.
