//! Parses the documents that reach this function: the state machine's input, and the messages of the queue of pending reports.

use serde::Deserialize;
use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    failure_action::InvalidationResult,
    hook::{Hook, HookEvent},
    queue::Message,
};

/// The queue delivers a message once a minute. So many times, the function waits for Step Functions to be available; after
/// that, a status per `OnInvalidationFailure` is better than none.
const PATIENT_RECEIPTS: u32 = 15;

/// A document that reaches this function.
#[derive(Debug)]
pub enum Event {
    /// The input of the states `ReportSucceeded` and `ReportFailed`.
    StateInput(StateInput),
    /// EventBridge's `Step Functions Execution Status Change`, from the queue.
    ExecutionEnded {
        /// What it says.
        execution: EndedExecution,
        /// Whether the queue delivers it again soon enough.
        may_repeat: bool,
    },
    /// A hook event that may have led to no execution and no status, from the queue: the record of Lambda's failure destination, or
    /// the hook function's own, which has the same form.
    HookFailed {
        /// The hook that waits.
        hook: Hook,
        /// Whether the queue delivers it for the first time.
        is_first: bool,
        /// Whether the queue delivers it again soon enough.
        may_repeat: bool,
    },
    /// The same for an event that was not CodeDeploy's, for example an engineer's asynchronous invocation.
    OtherEventFailed,
}

/// The input of the states `ReportSucceeded` and `ReportFailed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateInput {
    /// The execution. Missing in an event that was written manually.
    pub execution_name: Option<String>,
    /// The hook that waits; none if a deployment did not start the execution.
    pub hook: Option<Hook>,
    /// How the invalidations ended.
    pub result: InvalidationResult,
}

/// An execution that did not succeed. AWS documents that the event's `detail` has what `DescribeExecution` returns, but its
/// samples have no `error`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndedExecution {
    /// The execution.
    pub execution_arn: String,
    /// Its status, for example `ABORTED`.
    pub status: String,
    /// Its input as JSON; missing if it is too large for an event.
    pub input: Option<String>,
    /// The name of the error that it failed with.
    pub error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct StatusChange {
    detail: EndedExecution,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedInvocation {
    request_payload: HookEvent,
}

/// The part of an execution's input that matters here.
#[derive(Debug, Deserialize)]
struct ExecutionInput {
    hook: Option<Hook>,
}

impl Event {
    /// Parses a document.
    ///
    /// # Errors
    /// When it is none of those that reach this function.
    pub fn parse(event: &Value) -> Result<Self, InvalidDocument> {
        if !Message::is_in(event) {
            return document::parse("the input of report-status", event).map(Self::StateInput);
        }
        let message = Message::parse(event)?;
        let receipts = message.receive_count();
        let may_repeat = receipts.is_some_and(|receipts| receipts < PATIENT_RECEIPTS);
        let body = message.document();
        if let Some(payload) = body.get("requestPayload") {
            let of_codedeploy = ["DeploymentId", "LifecycleEventHookExecutionId"];
            if of_codedeploy.iter().all(|id| payload.get(id).is_none()) {
                return Ok(Self::OtherEventFailed);
            }
            let record: FailedInvocation =
                document::parse("the record of the failed invocation", &body)?;
            let hook = record.request_payload.into();
            Ok(Self::HookFailed {
                hook,
                is_first: receipts == Some(1),
                may_repeat,
            })
        } else {
            let StatusChange { detail: execution } =
                document::parse("the status change event", &body)?;
            Ok(Self::ExecutionEnded {
                execution,
                may_repeat,
            })
        }
    }
}

/// The hook in an execution's input, if there is one.
///
/// # Errors
/// When the input is invalid.
pub fn hook_of(execution_input: &str) -> Result<Option<Hook>, InvalidDocument> {
    let input = serde_json::from_str(execution_input).unwrap_or(Value::Null);
    document::parse("the execution input", &input).map(|input: ExecutionInput| input.hook)
}
