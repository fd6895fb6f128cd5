//! The functions' logs: one JSON object a line.

use std::env;

use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    registry,
    util::SubscriberInitExt,
};

/// The log target with which the runtime logs a handler's error once more. [`crate::handler::run`] has logged it, with the ids
/// of its execution and deployment. `functions/report-status/tests/logs.rs` fails if the runtime uses another target.
const RUNTIME_ERRORS: &str = "lambda_runtime::layers::panic";

/// Starts logging, with the version. Each line has the ids of its request and its X-Ray trace. The level is that of the function's
/// `LoggingConfig` (`AWS_LAMBDA_LOG_LEVEL`), or INFO; lines below INFO are not compiled into a release build (`tracing` in
/// the workspace's `Cargo.toml`).
pub fn init() {
    let level = match env::var("AWS_LAMBDA_LOG_LEVEL").as_deref() {
        // The only level of Lambda's that tracing does not have. No line here is that severe.
        Ok("FATAL") => LevelFilter::OFF,
        Ok(level) => level.parse().unwrap_or(LevelFilter::INFO),
        Err(_) => LevelFilter::INFO,
    };
    let filter = Targets::new()
        .with_default(level)
        .with_target(RUNTIME_ERRORS, LevelFilter::OFF);
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false);
    registry().with(lines).with(filter).init();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the function starts");
}
