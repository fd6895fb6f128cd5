//! The execution that takes care of a hook.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sfn::Client;
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use serde::Serialize;
use shared::{aws::AwsFailure, hook::Hook};

use crate::settings::{InvalidationBatch, Purge};

/// A deployment shall not fail because Step Functions had a bad ten seconds: of the entry function's 30 seconds, all that
/// an answer by policy does not need (`shared::aws`) is for starting.
const START_TIMEOUT: Duration = Duration::from_secs(18);
/// As many as fit, with up to half a second, one, two and then three seconds between them.
const START_ATTEMPTS: u32 = 12;
const START_BACKOFF: Duration = Duration::from_millis(500);
const START_LONGEST_BACKOFF: Duration = Duration::from_secs(3);

/// What an execution is started with: all it needs, and the same for the same hook.
#[derive(Debug, Serialize)]
struct ExecutionInput<'a> {
    hook: &'a Hook,
    invalidations: &'a [InvalidationBatch],
}

/// Whether this delivery of the event started the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It did.
    Now,
    /// An earlier one had; the execution runs, or has already answered.
    Before,
}

/// Step Functions would not or could not start the execution.
#[derive(Debug, thiserror::Error)]
#[error(
    "Step Functions did not start an execution of {state_machine_arn}: {source}. Check that the stack is deployed whole, then invalidate by hand or deploy again"
)]
pub struct StartFailure {
    name: String,
    state_machine_arn: String,
    source: AwsFailure,
}

/// The SDK takes an answer of success that it cannot read for final. Here the same call can do no harm: the execution's
/// name is the same.
#[derive(Debug)]
struct UnreadableAnswer;

impl ClassifyRetry for UnreadableAnswer {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context
            .output_or_error()
            .is_some_and(|outcome| outcome.is_err());
        let succeeded = context
            .response()
            .is_some_and(|answer| answer.status().is_success());
        if failed && succeeded {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "unreadable answer"
    }
}

/// A client that is as patient as the function's time allows.
#[must_use]
pub fn client(config: &SdkConfig) -> Client {
    let timeouts = config
        .timeout_config()
        .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
        .operation_timeout(START_TIMEOUT)
        .build();
    Client::from_conf(
        aws_sdk_sfn::config::Builder::from(config)
            .timeout_config(timeouts)
            .retry_classifier(UnreadableAnswer)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(START_ATTEMPTS)
                    .with_initial_backoff(START_BACKOFF)
                    .with_max_backoff(START_LONGEST_BACKOFF),
            )
            .build(),
    )
}

/// Starts the hook's execution, unless it has been before.
///
/// # Errors
/// When Step Functions does not take it, after the SDK's own retries.
pub async fn start(
    client: &Client,
    purge: &Purge,
    name: &str,
    hook: &Hook,
) -> Result<Start, StartFailure> {
    let input = ExecutionInput {
        hook,
        invalidations: &purge.invalidations,
    };
    let refusal = client
        .start_execution()
        .state_machine_arn(&purge.state_machine_arn)
        .name(name)
        .input(serde_json::json!(input).to_string())
        .send()
        .await
        .err()
        .map(AwsFailure::from);
    match refusal {
        None => Ok(Start::Now),
        // Step Functions returns a running execution of the same name and input as if it had just started it, and
        // this error for a closed one. Either way this hook has been taken care of.
        Some(refusal) if refusal.code() == Some("ExecutionAlreadyExists") => Ok(Start::Before),
        Some(source) => Err(StartFailure {
            name: name.to_owned(),
            state_machine_arn: purge.state_machine_arn.clone(),
            source,
        }),
    }
}
