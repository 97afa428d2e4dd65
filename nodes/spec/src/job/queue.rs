//! How urgent a run is.

use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Shape};

/// Azure ML's queue settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct QueueSettings {
    /// The tier of capacity that the run asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_tier: Option<JobTier>,
    /// How urgent the run is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

/// The tier of capacity that a run asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are Azure ML's and say it all")]
pub enum JobTier {
    Null,
    Spot,
    Basic,
    Standard,
    Premium,
}

/// How urgent a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// 25 of 100.
    Low,
    /// 50 of 100: what every run has that does not say.
    #[default]
    Medium,
    /// 75 of 100.
    High,
}

pub(crate) const SHAPE: Shape = Shape { known: &["job_tier", "priority"], read_only: &[] };

const TIERS: [(&str, JobTier); 5] = [
    ("spot", JobTier::Spot),
    ("basic", JobTier::Basic),
    ("standard", JobTier::Standard),
    ("premium", JobTier::Premium),
    ("null", JobTier::Null),
];
const PRIORITIES: [(&str, Priority); 3] =
    [("low", Priority::Low), ("medium", Priority::Medium), ("high", Priority::High)];

impl QueueSettings {
    pub(crate) fn read(field: &Field<'_>) -> Result<QueueSettings, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        Ok(QueueSettings {
            job_tier: fields.read("job_tier", |field| field.choice(&TIERS, str::to_lowercase))?,
            priority: fields.read("priority", |field| field.choice(&PRIORITIES, str::to_lowercase))?,
        })
    }
}

impl Priority {
    /// Where the word stands on Tidegate's scale of 0 to 100.
    pub fn level(self) -> u8 {
        match self {
            Priority::Low => 25,
            Priority::Medium => 50,
            Priority::High => 75,
        }
    }
}
