//! Points in time as `2026-11-23T19:30:00Z` in documents: what JSONata's `$fromMillis` writes and engineers read.

use std::time::{Duration, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// Writes it.
///
/// # Errors
/// When the year is beyond what the format has.
pub fn serialize<S: Serializer>(at: &DateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = at.fmt(Format::DateTime).map_err(ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// Reads it.
///
/// # Errors
/// When the text is not a date and time with an offset.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    DateTime::from_str(&text, Format::DateTimeWithOffset)
        .map_err(|_| de::Error::custom(format!("{text:?} is not a time like 2026-11-23T19:30:00Z")))
}

/// The time from `start` to `end`; nothing where a clock that is ahead says that `start` is yet to come.
#[must_use]
pub fn between(start: DateTime, end: SystemTime) -> Duration {
    SystemTime::try_from(start)
        .ok()
        .and_then(|start| end.duration_since(start).ok())
        .unwrap_or_default()
}

/// The time from `now` until `end`; nothing once that has come.
#[must_use]
pub fn until(now: SystemTime, end: DateTime) -> Duration {
    SystemTime::try_from(end)
        .ok()
        .and_then(|end| end.duration_since(now).ok())
        .unwrap_or_default()
}
