//! The documents that reach this function: the state machine's own, and, in messages of the queue in front of it,
//! EventBridge's and a Lambda destination's.

use aws_config::SdkConfig;
use aws_sdk_sfn::{Client, operation::describe_execution::DescribeExecutionOutput};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    execution,
    hook::{Hook, HookEvent},
};

use crate::{Error, Purge};

/// A message comes once a minute. For so many minutes the safety net asks whether an execution was started; if Step
/// Functions does not say by then, an answer by policy is better than none.
const PATIENT_RECEIPTS: u32 = 15;

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

/// What Lambda makes of a message from the queue; the event source mapping's batch size is one.
#[derive(Debug, Deserialize)]
struct Batch {
    #[serde(rename = "Records")]
    records: [Message; 1],
}

#[derive(Debug, Deserialize)]
struct Message {
    body: String,
    attributes: Option<Attributes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// How often the queue has handed the message out; a number as text.
    approximate_receive_count: String,
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

/// Reads whichever of them it is.
///
/// # Errors
/// When it is none of them, or the execution it is about cannot be looked up.
pub async fn read(
    sfn: &SdkConfig,
    state_machine_arn: &str,
    event: &Value,
) -> Result<Report, Error> {
    if event.get("Records").is_none() {
        return Ok(document::parse("the input of ReportStatus", event)?);
    }
    let Batch {
        records: [message], ..
    } = document::parse("the message of the queue", event)?;
    let event = serde_json::from_str(&message.body).unwrap_or(Value::Null);
    if event.get("requestPayload").is_some() {
        let record: FailedInvocation = document::parse("the failed invocation's record", &event)?;
        let receipts = message.attributes.as_ref();
        let receipts = receipts.and_then(|a| a.approximate_receive_count.parse().ok());
        let patient = receipts.is_some_and(|receipts: u32| receipts < PATIENT_RECEIPTS);
        let hook = record.request_payload.into();
        failed_invocation(sfn, state_machine_arn, hook, patient).await
    } else {
        let change: StatusChange = document::parse("the status change event", &event)?;
        status_change(sfn, change.detail).await
    }
}

/// The entry function may have started the execution before it failed; then that will answer, or has.
async fn failed_invocation(
    sfn: &SdkConfig,
    state_machine_arn: &str,
    hook: Hook,
    patient: bool,
) -> Result<Report, Error> {
    let machine = state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
    let execution_arn = format!("{machine}:{}", execution::name(&hook));
    let started = match describe(sfn, &execution_arn).await {
        Ok(_) => true,
        Err(Error::ExecutionUnreadable { source, .. }) if !patient || !source.is_transient() => {
            // ExecutionDoesNotExist, as a rule. Whatever else it is, a deployment waits.
            tracing::warn!("no execution {execution_arn}: {source}");
            false
        }
        Err(failure) => return Err(failure),
    };
    if started {
        tracing::info!("the entry function failed, but execution {execution_arn} was started");
    }
    Ok(Report {
        hook: (!started).then_some(hook),
        purge: Purge::Failed,
    })
}

async fn status_change(sfn: &SdkConfig, detail: Detail) -> Result<Report, Error> {
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
        None => describe(sfn, &detail.execution_arn)
            .await?
            .input
            .unwrap_or_default(),
    };
    let hook = waiting_hook(&input).unwrap_or_else(|problem| {
        // CodeDeploy's executions are started by the entry function, whose input can be read.
        tracing::warn!("nobody to tell: {problem}");
        None
    });
    Ok(Report { hook, purge })
}

async fn describe(sfn: &SdkConfig, execution_arn: &str) -> Result<DescribeExecutionOutput, Error> {
    Client::new(sfn)
        .describe_execution()
        .execution_arn(execution_arn)
        .send()
        .await
        .map_err(|source| Error::ExecutionUnreadable {
            execution_arn: execution_arn.to_owned(),
            source: source.into(),
        })
}

fn waiting_hook(input: &str) -> Result<Option<Hook>, InvalidDocument> {
    let input = serde_json::from_str(input).unwrap_or(Value::Null);
    document::parse::<ExecutionInput>("the execution's input", &input).map(|input| input.hook)
}
