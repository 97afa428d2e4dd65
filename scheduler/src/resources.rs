//! Amounts of what a node has and a run takes: integers only.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Resources {
    /// Virtual CPUs.
    pub vcpu: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// GPUs, in thousandths of one.
    pub gpu_milli: u32,
}

impl Resources {
    /// Whether `need` fits inside this amount.
    pub fn fits(&self, need: &Resources) -> bool {
        need.vcpu <= self.vcpu && need.memory_mib <= self.memory_mib && need.gpu_milli <= self.gpu_milli
    }

    /// What is left once `part` is taken; `None` if it does not fit.
    pub fn minus(&self, part: &Resources) -> Option<Resources> {
        Some(Resources {
            vcpu: self.vcpu.checked_sub(part.vcpu)?,
            memory_mib: self.memory_mib.checked_sub(part.memory_mib)?,
            gpu_milli: self.gpu_milli.checked_sub(part.gpu_milli)?,
        })
    }

    /// The sum of both.
    pub fn plus(&self, part: &Resources) -> Resources {
        Resources {
            vcpu: self.vcpu + part.vcpu,
            memory_mib: self.memory_mib + part.memory_mib,
            gpu_milli: self.gpu_milli + part.gpu_milli,
        }
    }

    /// What part of `whole` this is, in millionths: that of the resource of which it is the greatest part.
    pub fn dominant_part(&self, whole: &Resources) -> u64 {
        let part = |have: u64, of: u64| {
            let millionths = (u128::from(have) * 1_000_000).checked_div(of.into()).unwrap_or(0);
            u64::try_from(millionths).unwrap_or(u64::MAX)
        };
        part(self.vcpu.into(), whole.vcpu.into())
            .max(part(self.memory_mib, whole.memory_mib))
            .max(part(self.gpu_milli.into(), whole.gpu_milli.into()))
    }

    /// How many times `need` fits; `u64::MAX` for a need of nothing.
    pub fn times(&self, need: &Resources) -> u64 {
        let part = |have: u64, want: u64| have.checked_div(want).unwrap_or(u64::MAX);
        part(self.vcpu.into(), need.vcpu.into())
            .min(part(self.memory_mib, need.memory_mib))
            .min(part(self.gpu_milli.into(), need.gpu_milli.into()))
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} vCPU, {} MiB", self.vcpu, self.memory_mib)?;
        match (self.gpu_milli / 1000, self.gpu_milli % 1000) {
            (0, 0) => Ok(()),
            (whole, 0) => write!(f, ", {whole} GPU"),
            (whole, milli) => write!(f, ", {whole}.{milli:03} GPU"),
        }
    }
}

/// What one element of a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Need {
    /// A node of its own.
    WholeNode,
    /// Part of a node, which it may share.
    Part(Resources),
}

impl Need {
    /// What it takes on a node with this capacity.
    pub fn on(&self, capacity: &Resources) -> Resources {
        match self {
            Need::WholeNode => *capacity,
            Need::Part(part) => *part,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::WholeNode => write!(f, "a whole node"),
            Need::Part(part) => write!(f, "{part}"),
        }
    }
}

/// How a VM is paid for, and whether its provider may take it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Stays until it is released.
    Dedicated,
    /// Can be evicted by the provider at any time.
    LowPriority,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Dedicated => "dedicated",
            Tier::LowPriority => "low_priority",
        })
    }
}

/// A VM size as a pool remembers it: copied from the catalogue when the pool is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSize {
    /// For example `Standard_DS3_v2`.
    pub name: String,
    /// What quota counts.
    pub family: String,
    /// What a node of this size offers.
    pub capacity: Resources,
    /// Price of an hour in millionths of the catalogue's currency; 0 when unknown.
    pub hourly_price_micros: u64,
}
