//! The three documents that reach this function: the state machine's, EventBridge's and a Lambda destination's.

use aws_sdk_sfn::Client;
use serde::Deserialize;
use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    hook::{Hook, HookEvent},
};

use crate::{Error, Purge};

/// Who waits for what news.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// The hook to answer; none when nobody waits.
    pub hook: Option<Hook>,
    /// How the purge ended.
    pub purge: Purge,
}

/// `Step Functions Execution Status Change`, as the EventBridge rule passes it on.
#[derive(Debug, Deserialize)]
struct StatusChange {
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    status: String,
    /// The execution's input as JSON text; missing where it is too large for an event.
    input: Option<String>,
    /// The name the execution failed with.
    error: Option<String>,
}

/// A record of Lambda's for an asynchronous invocation that failed on every attempt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedInvocation {
    request_payload: HookEvent,
}

/// Of an execution's input, what matters here.
#[derive(Debug, Deserialize)]
struct ExecutionInput {
    hook: Option<Hook>,
}

/// Reads whichever of the three it is.
///
/// # Errors
/// When it is none of them, or the execution it is about cannot be looked up.
pub async fn read(sfn: &Client, event: &Value) -> Result<Report, Error> {
    if event.get("requestPayload").is_some() {
        let record: FailedInvocation = document::parse("the failed invocation's record", event)?;
        Ok(Report {
            hook: Some(record.request_payload.into()),
            purge: Purge::Failed,
        })
    } else if event.get("source").is_some_and(|s| s == "aws.states") {
        let change: StatusChange = document::parse("the status change event", event)?;
        status_change(sfn, change.detail).await
    } else {
        Ok(document::parse("the input of ReportStatus", event)?)
    }
}

async fn status_change(sfn: &Client, detail: Detail) -> Result<Report, Error> {
    tracing::warn!(
        execution.arn = detail.execution_arn,
        execution.status = detail.status,
        execution.error = detail.error,
        "execution {} ended as {}; making sure that CodeDeploy has an answer",
        detail.execution_arn,
        detail.status,
    );
    // The two that say more than that it failed. A machine that timed out was stuck elsewhere: the deadline for the
    // purge itself comes before that.
    let purge = match detail.error.as_deref() {
        Some("PurgedButNotTold") => Purge::Completed,
        Some("PurgeOverdue") => Purge::Overdue,
        _ => Purge::Failed,
    };
    let input = match detail.input {
        Some(input) => input,
        None => look_up_input(sfn, detail.execution_arn).await?,
    };
    let hook = waiting_hook(&input).unwrap_or_else(|problem| {
        // CodeDeploy's executions are started by the entry function, whose input can be read.
        tracing::warn!("nobody to tell: {problem}");
        None
    });
    Ok(Report { hook, purge })
}

async fn look_up_input(sfn: &Client, execution_arn: String) -> Result<String, Error> {
    match sfn
        .describe_execution()
        .execution_arn(&execution_arn)
        .send()
        .await
    {
        Ok(execution) => Ok(execution.input.unwrap_or_default()),
        Err(source) => Err(Error::ExecutionUnreadable {
            execution_arn,
            source: source.into(),
        }),
    }
}

fn waiting_hook(input: &str) -> Result<Option<Hook>, InvalidDocument> {
    let input = serde_json::from_str(input).unwrap_or(Value::Null);
    document::parse::<ExecutionInput>("the execution's input", &input).map(|input| input.hook)
}
