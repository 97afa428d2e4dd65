//! Wall time as people and programs read it: RFC 3339 in UTC with milliseconds.

use serde::{Deserialize, Serialize};
use tidegate_scheduler::time::WallMicros;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

/// A moment as RFC 3339 in UTC, such as `2030-01-31T12:00:00.250Z`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Timestamp(pub String);

impl Timestamp {
    /// The moment, unless it is the 0 that stands for none.
    pub fn of(wall: WallMicros) -> Option<Timestamp> {
        (wall.0 > 0).then(|| Timestamp(format_wall(wall)))
    }

    /// Microseconds since 1970; `None` for text that is no time.
    pub fn micros(&self) -> Option<u64> {
        let parsed = OffsetDateTime::parse(&self.0, &Rfc3339).ok()?;
        u64::try_from(parsed.unix_timestamp_nanos() / 1000).ok()
    }
}

/// A moment as text; cut to milliseconds.
pub fn format_wall(wall: WallMicros) -> String {
    let seconds = i64::try_from(wall.0 / 1_000_000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    match moment.and_then(|moment| moment.format(&Rfc3339).ok()) {
        // Always three digits, so that texts sort as the moments do.
        Some(text) => format!("{}.{:03}Z", text.trim_end_matches('Z'), wall.0 / 1000 % 1000),
        // Beyond the year 9999 no text is defined; the number itself is better than nothing.
        None => wall.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_back() {
        let moment = Timestamp::of(WallMicros(1_900_000_000_123_456)).unwrap();
        assert_eq!(moment.0, "2030-03-17T17:46:40.123Z");
        assert_eq!(format_wall(WallMicros(1_900_000_000_670_000)), "2030-03-17T17:46:40.670Z");
        assert_eq!(moment.micros(), Some(1_900_000_000_123_000));
        assert_eq!(Timestamp::of(WallMicros(0)), None);
        assert_eq!(format_wall(WallMicros(u64::MAX)), u64::MAX.to_string());
        assert_eq!(Timestamp("soon".into()).micros(), None);
    }
}
