//! Starts an execution.

use aws_sdk_sfn::{Client, operation::start_execution::StartExecutionError};
use serde::Serialize;
use shared::{aws::AwsFailure, hook::Hook, invalidation::InvalidationBatch};

/// The input of an execution: all that it needs, and always the same for the same name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionInput<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    hook: Option<&'a Hook>,
    invalidations: &'a [InvalidationBatch],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    verify_edge: bool,
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
#[error("Step Functions did not start execution {name} of {state_machine_arn}: {source}")]
pub struct StartError {
    name: String,
    state_machine_arn: String,
    /// Step Functions' response, if there was one.
    pub source: AwsFailure,
}

impl StartError {
    /// Whether Step Functions may start the execution later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.source.is_transient()
    }

    /// What to do if nothing repeats the request.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        self.source.remedy().unwrap_or(if self.is_transient() {
            "See the AWS Health Dashboard. If the execution does not exist, invoke the hook function with {} or {\"targets\": …} to invalidate"
        } else {
            "Check that the state machine exists and that the function's role is authorized to start it; then invoke the hook function with {} or {\"targets\": …} to invalidate, or repeat the deployment"
        })
    }
}

/// Starts an execution, unless one with this name was started before. With a hook, it reports a status to CodeDeploy; with
/// `verify_edge`, it requests the stack's `VerifyUrls` afterwards.
///
/// # Errors
/// When Step Functions rejected the request or did not respond, after the SDK's retries.
pub async fn start(
    client: &Client,
    state_machine_arn: &str,
    name: &str,
    hook: Option<&Hook>,
    invalidations: &[InvalidationBatch],
    verify_edge: bool,
) -> Result<Start, StartError> {
    let input = ExecutionInput {
        hook,
        invalidations,
        verify_edge,
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
        // another input, this error. Either way there is the execution.
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
