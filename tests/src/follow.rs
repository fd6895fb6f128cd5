//! Executions, as the Step Functions console shows them.

use std::time::Duration;

use anyhow::Result;
use aws_sdk_sfn::{
    Client,
    error::SdkError,
    types::{ExecutionStatus, HistoryEvent},
};
use serde_json::Value;

use crate::until::until;

/// An execution, ended or not.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its status; `RUNNING` if it has not ended in time.
    pub status: ExecutionStatus,
    /// Its output; JSON null if it has none.
    pub output: Value,
    pub error: Option<String>,
    pub cause: Option<String>,
}

/// The execution as it is now; none if there is none.
pub async fn find(sfn: &Client, execution_arn: &str) -> Result<Option<Ended>> {
    let described = sfn.describe_execution().execution_arn(execution_arn).send();
    let execution = match described.await.map_err(SdkError::into_service_error) {
        Err(error) if error.is_execution_does_not_exist() => return Ok(None),
        described => described?,
    };
    let output = execution.output.as_deref().map(serde_json::from_str);
    Ok(Some(Ended {
        status: execution.status,
        output: output.transpose()?.unwrap_or_default(),
        error: execution.error,
        cause: execution.cause,
    }))
}

/// The execution when it has ended, or as it is when patience does; none if there is none.
pub async fn when_ended(
    sfn: &Client,
    execution_arn: &str,
    patience: Duration,
    longest_interval: Duration,
) -> Result<Option<Ended>> {
    let mut found = None;
    let is_ended = async || {
        found = find(sfn, execution_arn).await?;
        let ended = found.as_ref();
        Ok(ended.is_some_and(|execution| execution.status != ExecutionStatus::Running))
    };
    until(patience, longest_interval, is_ended).await?;
    Ok(found)
}

/// What has happened in the execution until now, oldest first.
pub async fn history(sfn: &Client, execution_arn: &str) -> Result<Vec<HistoryEvent>> {
    let history = sfn.get_execution_history().execution_arn(execution_arn);
    Ok(history.max_results(1000).send().await?.events)
}
