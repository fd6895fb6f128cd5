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
/// `LoggingConfig` says (`AWS_LAMBDA_LOG_LEVEL`), or INFO. What is deployed has no lines below INFO (`tracing` in the
/// workspace's `Cargo.toml`).
pub fn init() {
    let level = match env::var("AWS_LAMBDA_LOG_LEVEL").as_deref() {
        // Lambda's only level that tracing does not have; nothing here is that bad.
        Ok("FATAL") => LevelFilter::OFF,
        Ok(level) => level.parse().unwrap_or(LevelFilter::INFO),
        Err(_) => LevelFilter::INFO,
    };
    // Not an EnvFilter: its regular expressions are 0.16 MB of a zip.
    let filter = Targets::new()
        .with_default(level)
        .with_target(SILENCED, LevelFilter::OFF);
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false);
    registry().with(lines).with(filter).init();
}
