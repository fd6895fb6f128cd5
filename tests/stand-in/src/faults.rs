//! Errors the services are told to answer with.

use serde::Serialize;

/// The operations the stand-in knows.
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
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The code as the service spells it on the wire.
    pub code: String,
    /// The HTTP status.
    pub status: u16,
    /// The service's words.
    pub message: String,
}

impl Fault {
    /// A fault with a message that says which one it is.
    #[must_use]
    pub fn new(code: &str, status: u16, message: &str) -> Self {
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
