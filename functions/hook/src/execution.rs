//! The execution that invalidates for a hook.

use std::time::Duration;

use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sfn::Client;
use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use serde::Serialize;
use shared::{
    aws::{AwsFailure, OPERATION_TIMEOUT},
    hook::Hook,
};

use crate::settings::{InvalidationBatch, InvalidationSettings};

/// What the hook function has for one invocation (`HookFunction.Timeout` in the template): longer than the others, because a
/// deployment must not fail because Step Functions had a bad twenty seconds.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(45);
/// Of that, all that the report per `OnInvalidationFailure` and the message to the queue do not need.
pub const START_TIMEOUT: Duration = HOOK_TIMEOUT
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(Duration::from_secs(1));
/// As many as fit, with up to half a second, one, two and then three seconds between them.
const START_ATTEMPTS: u32 = 15;
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
    Started,
    /// An earlier one had; the execution runs, or has ended.
    AlreadyStarted,
}

/// Step Functions would not or could not start the execution.
#[derive(Debug, thiserror::Error)]
#[error(
    "Step Functions did not start execution {name} of {state_machine_arn}: {source}. {}",
    advice(source)
)]
pub struct StartError {
    name: String,
    state_machine_arn: String,
    source: AwsFailure,
}

fn advice(failure: &AwsFailure) -> &'static str {
    failure.remedy().unwrap_or(if failure.is_transient() {
        "See the AWS Health Dashboard. If the execution exists all the same, it invalidates; otherwise start one manually"
    } else {
        "Check that the state machine exists and that the function's role may start it; then start an execution manually, or repeat the deployment"
    })
}

/// The SDK does not retry a successful response that it can't parse. Here the same call can do no harm: the execution's name
/// is the same.
#[derive(Debug)]
struct UnparsableResponse;

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
            .retry_classifier(UnparsableResponse)
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
    settings: &InvalidationSettings,
    name: &str,
    hook: &Hook,
) -> Result<Start, StartError> {
    let input = ExecutionInput {
        hook,
        invalidations: &settings.invalidations,
    };
    let failure = client
        .start_execution()
        .state_machine_arn(&settings.state_machine_arn)
        .name(name)
        .input(serde_json::json!(input).to_string())
        .send()
        .await
        .err()
        .map(AwsFailure::from);
    match failure {
        None => Ok(Start::Started),
        // Step Functions returns a running execution of the same name and input as if it had just started it, and
        // this error for a closed one. Either way this hook has its execution.
        Some(failure) if failure.code() == Some("ExecutionAlreadyExists") => {
            Ok(Start::AlreadyStarted)
        }
        Some(source) => Err(StartError {
            name: name.to_owned(),
            state_machine_arn: settings.state_machine_arn.clone(),
            source,
        }),
    }
}
