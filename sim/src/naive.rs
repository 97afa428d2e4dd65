//! What checkers and demands work out for themselves, the plain way, from what the state has of single nodes, runs and
//! allowances: never by a function whose work they judge.

pub(crate) mod quota;
pub(crate) mod runs;
