//! What Tidegate adds to Azure ML's schema: the map under the key `tidegate`.

mod after;

pub use after::{After, DependsOn};

use serde::Serialize;

use crate::error::SpecError;
use crate::fields::{Field, Shape};

/// Tidegate's own settings of a run. They do not appear in the REST body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TidegateSettings {
    /// How often the command is tried again after it has failed; 0 to 1000, 0 when the file does not say.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// What becomes of the command when its node cannot reach the controllers.
    #[serde(skip_serializing_if = "OnDisconnect::is_default")]
    pub on_disconnect: OnDisconnect,
    /// Seconds between SIGTERM and SIGKILL when the run is stopped; up to a day. The worker's own when none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<u32>,
    /// The priority, 0 to 100; goes before `queue_settings.priority`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// Whose run it is, where several teams of a workspace share its pools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Runs of the same workspace that must end before this one starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// No more elements of an array than this run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<u32>,
}

/// What becomes of a command whose node cannot reach the controllers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDisconnect {
    /// It goes on.
    #[default]
    Continue,
    /// It is stopped.
    Stop,
}

impl OnDisconnect {
    fn is_default(&self) -> bool {
        *self == OnDisconnect::default()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

pub(crate) const SHAPE: Shape = Shape {
    known: &["retries", "on_disconnect", "grace_period", "priority", "team", "after", "max_concurrent"],
    read_only: &[],
};

impl TidegateSettings {
    pub(crate) fn read(field: &Field<'_>) -> Result<TidegateSettings, SpecError> {
        let fields = field.shaped(&SHAPE)?;
        let number = |key: &str, most: i64| fields.read(key, |field| field.whole(0, most));
        let words = [("continue", OnDisconnect::Continue), ("stop", OnDisconnect::Stop)];
        Ok(TidegateSettings {
            retries: number("retries", 1000)?.and_then(|n| u32::try_from(n).ok()).unwrap_or_default(),
            on_disconnect: fields
                .read("on_disconnect", |field| field.choice(&words, str::to_lowercase))?
                .unwrap_or_default(),
            grace_period: number("grace_period", 86_400)?.and_then(|n| u32::try_from(n).ok()),
            priority: number("priority", 100)?.and_then(|n| u8::try_from(n).ok()),
            team: fields.read("team", |field| field.name("the name of a team"))?,
            after: fields.read("after", after::read_all)?.unwrap_or_default(),
            max_concurrent: fields.read("max_concurrent", |field| field.count(1))?,
        })
    }

    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == TidegateSettings::default()
    }
}
