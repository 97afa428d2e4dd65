//! Azure ML's v2 YAML as typed run and pool specifications.
//!
//! [`read_file`] reads a job or pool file; [`rest_body`] says it as Azure ML's REST API would; [`supported`] tells
//! what of it cannot be run. Every error says where it is and what to do: see [`SpecError`].
//!
//! A file is read as the Azure ML client reads it: YAML 1.1 (`yes` is a boolean, `017` is octal), every key of
//! its schema and no other. Tidegate adds `cpus`, `memory` and `gpus` under `resources`, and the map `tidegate`.
//!
//! Where the reading differs from the client's on purpose: a literal given as `{value: 1}` keeps its value (the
//! client makes `True` of it), a fraction where a whole number belongs is refused (the client cuts it off), and
//! so are counts and times below their range, a key given twice, and values of environment variables that are
//! not scalars.

mod data_path;
mod document;
mod duration;
mod error;
mod expand;
mod fields;
mod job;
mod kind;
mod literal;
mod local;
mod nearest;
mod pool;
mod rest;
mod size;
mod source;
mod supported;
mod tree;

pub use data_path::DataPath;
pub use document::{Document, fuzz_read, read_file, read_str};
pub use duration::iso8601;
pub use error::{Place, Problem, SpecError};
pub use expand::{Reference, Template};
pub use job::{
    After, Build, CommandJob, CondaFile, DataInput, DataKind, DependsOn, Distribution, DistributionKind,
    DockerArgs, EnvironmentRef, Identity, IdentityKind, InlineEnvironment, Input, InputMode, JobTier, Limits,
    OnDisconnect, Output, OutputMode, Priority, QueueSettings, Resources, Service, ServiceKind,
    TidegateSettings,
};
pub use literal::Literal;
pub use local::{Expected, Found, LocalPath, Role};
pub use pool::{
    DEFAULT_IDLE_TIME, DEFAULT_MAX_INSTANCES, DEFAULT_SIZE, NetworkSettings, PoolIdentity, PoolIdentityKind,
    PoolSpec, QueueOrder, SshSettings, Tier, UserAssignedIdentity,
};
pub use rest::{RestBody, rest_body};
pub use size::MemorySize;
pub use source::FILE_LIMIT;
pub use supported::{supported, supported_pool, unsupported, unsupported_pool};

#[cfg(test)]
mod schema_tests;
