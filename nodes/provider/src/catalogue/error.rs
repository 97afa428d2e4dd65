//! What is wrong with a size.

use std::fmt;

use tidegate_scheduler::resources::VmSize;

/// No VM size has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSize {
    /// The name asked for, cut at 64 characters.
    pub name: String,
    /// Names that look like it, the most similar first; may be empty.
    pub nearest: Vec<String>,
    /// How many sizes are known.
    pub known: usize,
}

impl fmt::Display for UnknownSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown VM size {:?}: ", self.name)?;
        match self.nearest.as_slice() {
            [] => write!(
                f,
                "none of the catalogue's {} sizes resembles it; the server's configuration can add sizes of its own",
                self.known
            ),
            [one] => write!(f, "did you mean {one}?"),
            [first @ .., last] => write!(f, "did you mean {} or {last}?", first.join(", ")),
        }
    }
}

impl std::error::Error for UnknownSize {}

/// A size that cannot be added to the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSize {
    /// Something is missing.
    #[error("VM size {name:?} needs {what}")]
    Lacks {
        /// The size.
        name: String,
        /// What it lacks.
        what: &'static str,
    },
    /// The same name again.
    #[error("VM size {name:?} is given twice (upper and lower case are the same)")]
    Twice {
        /// The size.
        name: String,
    },
}

impl BadSize {
    pub(super) fn check(size: &VmSize) -> Result<(), BadSize> {
        let what = match size {
            _ if size.name.trim().is_empty() => "a name",
            _ if size.family.trim().is_empty() => "a family, which quota counts by",
            _ if size.capacity.vcpu == 0 => "at least one vCPU",
            _ if size.capacity.memory_mib == 0 => "memory",
            _ => return Ok(()),
        };
        Err(BadSize::Lacks { name: size.name.clone(), what })
    }
}
