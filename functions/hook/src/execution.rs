//! Starts the execution of a hook.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sfn::{Client, operation::start_execution::StartExecutionError};
use serde::Serialize;
use shared::{
    aws::{AwsFailure, OPERATION_TIMEOUT},
    hook::Hook,
    invalidation::InvalidationBatch,
};

use crate::retries::{UnparsableResponse, patient};

/// The timeout of the hook function (`HookFunction.Timeout` in the template): longer than the others', so that a deployment does
/// not fail because Step Functions is not available for twenty seconds.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(54);
/// The part of it that the question whose deployment it is, the report per `OnInvalidationFailure` and the message to the queue
/// do not need.
pub const START_TIMEOUT: Duration = HOOK_TIMEOUT
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(Duration::from_secs(1));
/// The input of an execution: all that it needs, and the same for the same hook.
#[derive(Debug, Serialize)]
struct ExecutionInput<'a> {
    hook: &'a Hook,
    invalidations: &'a [InvalidationBatch],
}

/// How Step Functions accepted the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It started the execution, or the execution was already running with the same input.
    Started,
    /// The execution already exists: it has ended, or is running with other settings.
    AlreadyStarted,
}

/// Step Functions did not start the execution.
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
        "See the AWS Health Dashboard. If the execution does not exist, start one manually"
    } else {
        "Check that the state machine exists and that the function's role is authorized to start it; then start an execution manually, or repeat the deployment"
    })
}

/// A client that retries for as long as the function's timeout allows.
#[must_use]
pub fn client(config: &SdkConfig) -> Client {
    let config = patient(config, START_TIMEOUT);
    Client::from_conf(
        aws_sdk_sfn::config::Builder::from(&config)
            .retry_classifier(UnparsableResponse)
            .build(),
    )
}

/// Starts the hook's execution, unless it was started before.
///
/// # Errors
/// When Step Functions rejected the request or did not respond, after the SDK's retries.
pub async fn start(
    client: &Client,
    state_machine_arn: &str,
    name: &str,
    hook: &Hook,
    invalidations: &[InvalidationBatch],
) -> Result<Start, StartError> {
    let input = ExecutionInput {
        hook,
        invalidations,
    };
    let response = client
        .start_execution()
        .state_machine_arn(state_machine_arn)
        .name(name)
        .input(serde_json::json!(input).to_string())
        .send()
        .await;
    match response {
        Ok(_) => Ok(Start::Started),
        // For a running execution with the same name and input, Step Functions returns success; for one that has ended, or has
        // another input, this error. Either way the hook has its execution.
        Err(error)
            if error
                .as_service_error()
                .is_some_and(StartExecutionError::is_execution_already_exists) =>
        {
            Ok(Start::AlreadyStarted)
        }
        Err(error) => Err(StartError {
            name: name.to_owned(),
            state_machine_arn: state_machine_arn.to_owned(),
            source: error.into(),
        }),
    }
}
