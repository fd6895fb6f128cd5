//! The functions' logs: one JSON line for each step, which reads alone.

use std::env;

use lambda_runtime::tracing::subscriber::{filter::EnvFilter, fmt};

/// The runtime logs a handler's error with all it came from, raw response bodies included. [`crate::errors::report`] logs it
/// in words.
const SILENCED: &str = "lambda_runtime::layers::panic=off";

/// Logs from here on, each line with the ids of its request and its X-Ray trace, at the level that the function's
/// `LoggingConfig` says (`AWS_LAMBDA_LOG_LEVEL`), or INFO.
pub fn init() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").unwrap_or_else(|_| "info".to_owned());
    fmt()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(EnvFilter::builder().parse_lossy(format!("{level},{SILENCED}")))
        .init();
}
