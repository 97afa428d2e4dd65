//! Why `apply` refuses a client's command: says what is wrong and what to do.

use crate::ids::{ControllerId, RunId};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use thiserror::Error;

/// A refusal; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Refusal {
    /// This member does not lead.
    #[error("this controller does not lead the group; ask another one")]
    NotLeader,
    /// It was proposed, and leadership was lost before it was known what came of it.
    #[error(
        "leadership moved while this was on its way, and whether it was done is not known; ask again with the \
         same key"
    )]
    Uncertain,
    /// A key was used for something else.
    #[error("this idempotency key was used for another request in the last 24 hours; choose a new one")]
    KeyReused,
    /// No such controller.
    #[error("no controller {0} in this cluster; `tidegate controller list` shows them")]
    UnknownController(ControllerId),
    /// Somebody must vote.
    #[error("controller {0} is the last one that votes; add another one first")]
    LastVoter(ControllerId),
    /// The disk under the log is full.
    #[error("no new work is accepted: {0}")]
    Unavailable(String),
    /// A name was used for something else.
    #[error("run {name} exists with another specification; choose another name, or leave the name out")]
    NameConflict {
        /// The name.
        name: String,
        /// The run that has it.
        run: RunId,
    },
    /// No such run.
    #[error("no run named {0} in this workspace; `tidegate run list` shows the runs")]
    UnknownRun(String),
    /// No such element.
    #[error("run {name} has {count} elements, numbered from 0; there is no element {element}")]
    UnknownElement {
        /// The run.
        name: String,
        /// What was asked for.
        element: u32,
        /// How many there are.
        count: u32,
    },
    /// No such pool.
    #[error(
        "no pool named {0} in this workspace; `tidegate pool list` shows the pools, `tidegate pool apply FILE` makes one"
    )]
    UnknownPool(String),
    /// No pool was named and there is none to choose.
    #[error(
        "the run names no `compute` and this workspace has no pool; make one with `tidegate pool apply FILE`"
    )]
    NoPool,
    /// The pool is going away, or is gone.
    #[error("pool {0} is being deleted, or is gone; choose another one")]
    PoolDeleting(String),
    /// The pool still has work.
    #[error("pool {pool} has {runs} runs that have not ended; cancel them first, or delete with --force")]
    PoolInUse {
        /// The pool.
        pool: String,
        /// How many.
        runs: u64,
    },
    /// It can never fit.
    #[error("the run needs {need} but a node of pool {pool} ({size}) offers {capacity}")]
    NeverFits {
        /// The pool.
        pool: String,
        /// Its VM size.
        size: String,
        /// What the run needs.
        need: String,
        /// What a node offers.
        capacity: String,
    },
    /// What is asked of the run makes no sense.
    #[error("run {run}: {reason}")]
    BadRun {
        /// The run.
        run: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The pool's settings make no sense.
    #[error("pool {pool}: {reason}")]
    BadPool {
        /// The pool.
        pool: String,
        /// What is wrong.
        reason: String,
    },
    /// The allowance makes no sense.
    #[error("quota of {key}: {reason}")]
    BadQuota {
        /// Whose.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A limit on what may be asked for.
    #[error("{what} is {is}, which is more than the limit of {limit}")]
    TooMuch {
        /// What.
        what: Cow<'static, str>,
        /// How much was asked for.
        is: u64,
        /// How much may be.
        limit: u64,
    },
    /// A name that no command line or URL could carry.
    #[error(
        "`{name}` is not a usable {what}: use 1 to 255 letters, digits, `-`, `_` or `.`, and begin with a letter or digit"
    )]
    BadName {
        /// What it names.
        what: Cow<'static, str>,
        /// The name.
        name: String,
    },
    /// The workspace has as many runs as it may.
    #[error(
        "workspace {workspace} has {open} runs that have not ended, of {limit} that it may have; wait for some, or cancel them"
    )]
    TooManyRuns {
        /// The workspace.
        workspace: String,
        /// How many it has.
        open: u32,
        /// How many it may have.
        limit: u32,
    },
    /// What it waits for ended otherwise.
    #[error(
        "run {run} is to start after run {after}, which has ended otherwise than it must; retry that one first"
    )]
    PrerequisiteNotMet {
        /// The run.
        run: String,
        /// What it waits for.
        after: String,
    },
    /// Retry of what is not over.
    #[error("run {0} has nothing to retry: no element of it failed or was cancelled")]
    NothingToRetry(String),
    /// Cancel of what is over.
    #[error("run {0} has ended already")]
    AlreadyEnded(String),
}
