//! The documents that reach this function: the state machine's own, and, in messages of the queue in front of it,
//! EventBridge's and those about hook events that came to nothing.

use aws_config::SdkConfig;
use aws_sdk_sfn::{Client, operation::describe_execution::DescribeExecutionOutput};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    execution,
    hook::{Hook, HookEvent},
};

use crate::{Error, InvalidationResult};

/// A message comes once a minute. For so many minutes Step Functions is asked again for what an event does not say of an
/// execution; after that, a status per `OnInvalidationFailure` is better than none.
const PATIENT_RECEIPTS: u32 = 15;

/// What to report to whom.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// The hook that waits; none when no deployment does.
    pub hook: Option<Hook>,
    /// How the invalidations ended.
    pub result: InvalidationResult,
    /// Whether an execution was started for the hook.
    pub was_started: bool,
}

/// The state machine's own document.
#[derive(Debug, Deserialize)]
struct StateInput {
    hook: Option<Hook>,
    result: InvalidationResult,
}

/// `Step Functions Execution Status Change`, as the EventBridge rule passes it on.
#[derive(Debug, Deserialize)]
struct StatusChange {
    detail: Detail,
}

/// AWS's documentation says that it holds what `DescribeExecution` returns; its samples have no `error`, so it may be
/// missing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    execution_arn: String,
    status: String,
    /// The execution's input as JSON text; missing where it is too large for an event.
    input: Option<String>,
    /// The name of the error that the execution failed with.
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

impl Message {
    /// Whether the same message comes again soon enough.
    fn is_early(&self) -> bool {
        let receipts = self.attributes.as_ref();
        let receipts = receipts.and_then(|a| a.approximate_receive_count.parse().ok());
        receipts.is_some_and(|receipts: u32| receipts < PATIENT_RECEIPTS)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// How often the queue has handed the message out; a number as text.
    approximate_receive_count: String,
}

/// A hook event that the hook function could not take care of: as Lambda's failure destination writes it, and the hook
/// function itself.
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
/// When it is none of them, or the execution it is about cannot be described.
pub async fn read(
    sfn: &SdkConfig,
    state_machine_arn: &str,
    event: &Value,
) -> Result<Report, Error> {
    if event.get("Records").is_none() {
        let StateInput { hook, result } = document::parse("the input of ReportStatus", event)?;
        return Ok(Report {
            hook,
            result,
            was_started: true,
        });
    }
    let Batch {
        records: [message], ..
    } = document::parse("the message of the queue", event)?;
    let event = serde_json::from_str(&message.body).unwrap_or(Value::Null);
    if event.get("requestPayload").is_some() {
        let record: FailedInvocation = document::parse("the failed invocation's record", &event)?;
        let hook = record.request_payload.into();
        failed_invocation(sfn, state_machine_arn, hook, message.is_early()).await
    } else {
        let change: StatusChange = document::parse("the status change event", &event)?;
        status_change(sfn, change.detail, message.is_early()).await
    }
}

/// The hook function may have started the execution before it failed; then that reports, or has.
async fn failed_invocation(
    sfn: &SdkConfig,
    state_machine_arn: &str,
    hook: Hook,
    is_early: bool,
) -> Result<Report, Error> {
    let machine = state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
    let execution_arn = format!("{machine}:{}", execution::name(&hook));
    let was_started = match describe(sfn, &execution_arn).await {
        Ok(_) => true,
        Err(Error::ExecutionUnreadable { source, .. }) if !is_early || !source.is_transient() => {
            // ExecutionDoesNotExist, as a rule. Whatever else it is, a deployment waits.
            tracing::warn!("no execution {execution_arn}: {source}");
            false
        }
        Err(failure) => return Err(failure),
    };
    if was_started {
        tracing::info!("the hook function failed, but execution {execution_arn} was started");
    }
    Ok(Report {
        hook: (!was_started).then_some(hook),
        result: InvalidationResult::Failed,
        was_started,
    })
}

async fn status_change(sfn: &SdkConfig, detail: Detail, is_early: bool) -> Result<Report, Error> {
    let Detail {
        execution_arn,
        status,
        input,
        error,
    } = detail;
    let (input, error) = if let Some(input) = input {
        (input, error)
    } else {
        let execution = describe(sfn, &execution_arn).await?;
        (execution.input.unwrap_or_default(), execution.error)
    };
    let hook = waiting_hook(&input).unwrap_or_else(|problem| {
        // CodeDeploy's executions are started by the hook function, whose input can be read.
        tracing::warn!("no deployment waits for execution {execution_arn}: {problem}");
        None
    });
    let error = if hook.is_some() && error.is_none() && status == "FAILED" {
        known_error(sfn, &execution_arn, is_early).await?
    } else {
        error
    };
    tracing::warn!(
        execution_arn,
        execution_status = status,
        error_name = error,
        "execution {execution_arn} ended as {status}; making sure that CodeDeploy has its hook's status",
    );
    // The two that say more than that it failed. A machine that timed out was stuck elsewhere: the deadline for the
    // invalidations comes before that.
    let result = match error.as_deref() {
        Some("InvalidatedButNotReported") => InvalidationResult::Completed,
        Some("InvalidationTimedOut") => InvalidationResult::TimedOut,
        _ => InvalidationResult::Failed,
    };
    Ok(Report {
        hook,
        result,
        was_started: true,
    })
}

/// The error that the execution failed with, where its event does not say it; none where Step Functions does not say it
/// either.
async fn known_error(
    sfn: &SdkConfig,
    execution_arn: &str,
    is_early: bool,
) -> Result<Option<String>, Error> {
    match describe(sfn, execution_arn).await {
        Ok(execution) => Ok(execution.error),
        Err(Error::ExecutionUnreadable { source, .. }) if !is_early || !source.is_transient() => {
            tracing::warn!("the error of execution {execution_arn} is not known: {source}");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
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
