//! Describes an execution.

use aws_sdk_sfn::{
    Client,
    operation::describe_execution::{DescribeExecutionError, DescribeExecutionOutput},
};
use shared::aws::AwsFailure;

/// The ARN of the execution of a state machine with this name.
#[must_use]
pub fn arn(state_machine_arn: &str, name: &str) -> String {
    let executions = state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
    format!("{executions}:{name}")
}

/// The execution; none if it does not exist, or Step Functions does not find it yet.
///
/// # Errors
/// When Step Functions rejected the request or did not respond, after the SDK's retries.
pub async fn describe(
    client: &Client,
    execution_arn: &str,
) -> Result<Option<DescribeExecutionOutput>, AwsFailure> {
    let describe = client.describe_execution().execution_arn(execution_arn);
    match describe.send().await {
        Ok(execution) => Ok(Some(execution)),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
