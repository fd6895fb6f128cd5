//! Timestamps in documents, such as `2026-11-23T19:30:00Z`: the format of JSONata's `$fromMillis`.

use std::time::{Duration, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// Serializes a timestamp.
///
/// # Errors
/// When the format cannot represent its year.
pub fn serialize<S: Serializer>(at: &DateTime, serializer: S) -> Result<S::Ok, S::Error> {
    let text = at.fmt(Format::DateTime).map_err(ser::Error::custom)?;
    serializer.serialize_str(&text)
}

/// Deserializes a timestamp.
///
/// # Errors
/// When the text is not a date and time with an offset.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    DateTime::from_str(&text, Format::DateTimeWithOffset).map_err(|_| {
        de::Error::custom(format!(
            "{text:?} is not a timestamp such as 2026-11-23T19:30:00Z"
        ))
    })
}

/// The time from `start` to `end`; zero if `start` is later, as it can be when clocks differ.
#[must_use]
pub fn between(start: DateTime, end: SystemTime) -> Duration {
    SystemTime::try_from(start)
        .ok()
        .and_then(|start| end.duration_since(start).ok())
        .unwrap_or_default()
}

/// The time from `now` until `end`; zero if `end` is over.
#[must_use]
pub fn until(now: SystemTime, end: DateTime) -> Duration {
    SystemTime::try_from(end)
        .ok()
        .and_then(|end| end.duration_since(now).ok())
        .unwrap_or_default()
}
