//! When a run is stopped.

use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Shape};

/// A run's limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Seconds that one attempt may run; 0 is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

pub(crate) const SHAPE: Shape = Shape { known: &["timeout"], read_only: &[] };

/// A thousand years: what is longer is a slip, and would overflow a timer in milliseconds.
const LONGEST: i64 = 1000 * 365 * 86_400;

impl Limits {
    pub(crate) fn read(field: &Field<'_>) -> Result<Limits, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let timeout = fields.read("timeout", |field| field.whole(0, LONGEST))?;
        Ok(Limits { timeout: timeout.map(i64::unsigned_abs) })
    }
}
