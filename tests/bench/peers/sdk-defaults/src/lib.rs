//! What the functions have in common.

use aws_config::{BehaviorVersion, SdkConfig};
pub use lambda_runtime::Error;
pub use shared::handler::run;

/// Logs and settings as in the examples of the crates.
pub async fn start() -> SdkConfig {
    lambda_runtime::tracing::init_default_subscriber();
    aws_config::load_defaults(BehaviorVersion::latest()).await
}
