//! What goes wrong with calls, on purpose.

use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The operations the stand-in knows, or stands in front of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Operation {
    /// CloudFront.
    CreateInvalidation,
    /// CloudFront.
    GetInvalidation,
    /// CloudFront.
    ListInvalidations,
    /// CodeDeploy.
    PutLifecycleEventHookExecutionStatus,
    /// CodeDeploy.
    GetDeployment,
    /// Step Functions, passed on.
    StartExecution,
    /// Step Functions, passed on.
    DescribeExecution,
    /// SQS, passed on where there is one.
    SendMessage,
    /// Lambda, passed on: the state machine invokes one of its functions.
    Invoke(Function),
}

/// The functions that the state machine invokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Function {
    /// `create-invalidation`
    Create,
    /// `check-invalidation`
    Check,
    /// `report-status`
    Report,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It has no effect and is answered with an error.
    Rejected(ServiceError),
    /// It has no effect, and this happens.
    Before(ConnectionFault),
    /// It has its effect, and then this happens.
    After(ConnectionFault),
    /// `GetInvalidation` shows this status.
    Status(&'static str),
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceError {
    /// The code as the service spells it on the wire.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The service's words.
    pub message: String,
}

/// What can happen in place of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionFault {
    /// An answer nobody can read.
    Unparseable,
    /// The connection is closed.
    Closed,
    /// Nothing, for as long as the caller waits.
    NoResponse,
    /// The calling process is killed: to Lambda, the function crashes.
    CallerKilled,
    /// The calling process stops where it is: to Lambda, the function takes too long.
    CallerFrozen,
}

impl ConnectionFault {
    /// What stands for it until it comes to the connection; see `connection`.
    pub(crate) fn in_place_of_an_answer(self) -> Response {
        let mut response = "neither XML nor JSON".into_response();
        if self != Self::Unparseable {
            response.extensions_mut().insert(self);
        }
        response
    }
}

impl Fault {
    /// An error answer.
    #[must_use]
    pub fn new(code: &str, status: u16, message: &str) -> Self {
        Self::Rejected(ServiceError::new(code, status, message))
    }
}

impl ServiceError {
    pub(crate) fn new(code: &str, status: u16, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            status,
            message: message.to_owned(),
        }
    }
}

/// A fault that waits for its calls.
#[derive(Debug)]
pub(crate) struct Planned {
    pub operation: Operation,
    pub about: String,
    /// How many more calls it is for.
    pub left: usize,
    pub fault: Fault,
}

/// Takes the fault that is next for this call, if there is one.
pub(crate) fn take(
    planned: &mut [Planned],
    operation: Operation,
    subject: &str,
    caller_reference: Option<&str>,
) -> Option<Fault> {
    let next = planned.iter_mut().find(|p| {
        p.left > 0
            && p.operation == operation
            && crate::concerns(&p.about, subject, caller_reference)
    })?;
    next.left -= 1;
    Some(next.fault.clone())
}

/// What comes of a call: an answer or an error answer, and what is to be recorded as its error.
pub(crate) fn meet(
    fault: Option<Fault>,
    work: impl FnOnce() -> Result<Response, ServiceError>,
) -> (Result<Response, ServiceError>, Option<String>) {
    match fault {
        Some(Fault::Rejected(refusal)) => {
            let code = refusal.code.clone();
            (Err(refusal), Some(code))
        }
        Some(Fault::Before(connection_fault)) => (
            Ok(connection_fault.in_place_of_an_answer()),
            Some(format!("{connection_fault:?}")),
        ),
        Some(Fault::After(connection_fault)) => match work() {
            Ok(_) => (Ok(connection_fault.in_place_of_an_answer()), None),
            Err(refusal) => {
                let code = refusal.code.clone();
                (Ok(connection_fault.in_place_of_an_answer()), Some(code))
            }
        },
        Some(Fault::Status(_)) | None => {
            let outcome = work();
            let code = outcome.as_ref().err().map(|refusal| refusal.code.clone());
            (outcome, code)
        }
    }
}
