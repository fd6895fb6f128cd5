//! The functions' logs: one JSON line for each step, which reads alone.

use std::env;

use lambda_runtime::tracing::subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

/// The runtime logs a handler's error with all it came from, raw response bodies included. [`crate::errors::report`] logs it
/// in words.
const SILENCED: &str = "lambda_runtime::layers::panic";

/// Logs from here on, each line with the ids of its request and its X-Ray trace, at the level that the function's
/// `LoggingConfig` says (`AWS_LAMBDA_LOG_LEVEL`), or INFO.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_default();
    // Not an EnvFilter, whose regular expressions are a fifth of the binary.
    let filter = Targets::new()
        .with_default(level.parse().unwrap_or(LevelFilter::INFO))
        .with_target(SILENCED, LevelFilter::OFF);
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false);
    registry().with(lines).with(filter).init();
}
