//! Retries for as long as a function's timeout allows: nothing repeats what the hook function does.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sfn::config::retry::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};

use crate::START_TIMEOUT;

/// More than fit: the timeout ends them. The SDK waits for a random part of half a second, one, two and then three seconds.
const ATTEMPTS: u32 = 30;
const BACKOFF: Duration = Duration::from_millis(500);
const MAX_BACKOFF: Duration = Duration::from_secs(3);
// On average, a wait takes half of its time: those of three seconds alone, after the first four attempts, outlast the timeout.
const _: () = assert!((ATTEMPTS - 4) as u64 * MAX_BACKOFF.as_secs() / 2 > START_TIMEOUT.as_secs());

/// A configuration for clients whose calls are retried until this timeout.
#[must_use]
pub fn patient(config: &SdkConfig, timeout: Duration) -> SdkConfig {
    let timeouts = config
        .timeout_config()
        .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
        .operation_timeout(timeout)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(BACKOFF)
        .with_max_backoff(MAX_BACKOFF);
    let builder = config.to_builder().timeout_config(timeouts);
    builder.retry_config(retries).build()
}

/// Retries of one call must not depend on earlier ones: by default, all calls of a process to a service share a budget of some
/// fifty retries, which an outage uses up in three invocations.
#[must_use]
pub fn unlimited() -> RetryPartition {
    let partition = RetryPartition::custom("unlimited");
    partition.token_bucket(TokenBucket::unlimited()).build()
}

/// Retries a successful response that can't be parsed, which the SDK does not. A second request does no harm: it starts an
/// execution with the same name, or reads.
#[derive(Debug)]
pub struct UnparsableResponse;

impl ClassifyRetry for UnparsableResponse {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context
            .output_or_error()
            .is_some_and(|outcome| outcome.is_err());
        let succeeded = context
            .response()
            .is_some_and(|response| response.status().is_success());
        if failed && succeeded {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "response that can't be parsed"
    }
}
