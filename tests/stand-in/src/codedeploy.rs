//! CodeDeploy's JSON 1.1.

use std::time::SystemTime;

use axum::response::Response;
use serde_json::{Value, json};

use crate::{
    AcceptedStatus, Call, Operation, Request, ServiceError,
    faults::rejected,
    respond::{Protocol, respond},
    route::HttpRequest,
    state::{Shared, State, latest},
};

const PROTOCOL: Protocol = Protocol::Json11;

pub async fn put_status(shared: &Shared, request: &HttpRequest, document: &Value) -> Response {
    let deployment_id = text(document, "deploymentId");
    let hook_execution_id = text(document, "lifecycleEventHookExecutionId");
    let status = text(document, "status");
    let operation = Operation::PutLifecycleEventHookExecutionStatus;
    let call = Call {
        request: Request::HookStatus {
            hook_execution_id: hook_execution_id.to_owned(),
            status: status.to_owned(),
        },
        ..Call::new(operation, deployment_id, request.headers())
    };
    respond(shared, call, PROTOCOL, async |_| {
        check_deployment_id(deployment_id)?;
        accept(&mut shared.lock(), deployment_id, hook_execution_id, status)?;
        Ok(PROTOCOL.json(&json!({ "lifecycleEventHookExecutionId": hook_execution_id })))
    })
    .await
}

pub async fn get_deployment(shared: &Shared, request: &HttpRequest, document: &Value) -> Response {
    let deployment_id = text(document, "deploymentId");
    let call = Call::new(Operation::GetDeployment, deployment_id, request.headers());
    respond(shared, call, PROTOCOL, async |_| {
        check_deployment_id(deployment_id)?;
        Ok(PROTOCOL.json(&json!({ "deploymentInfo": {
            "deploymentId": deployment_id,
            "applicationName": "stand-in",
            "deploymentGroupName": "stand-in",
            "status": "InProgress",
        }})))
    })
    .await
}

fn check_deployment_id(id: &str) -> Result<(), ServiceError> {
    if id.is_empty() {
        let message = "At least one deployment ID must be specified.";
        rejected("DeploymentIdRequiredException", message)
    } else if !id.starts_with("d-") {
        let message = "At least one of the deployment IDs was specified in an invalid format.";
        rejected("InvalidDeploymentIdException", message)
    } else {
        Ok(())
    }
}

fn accept(
    state: &mut State,
    deployment_id: &str,
    hook_execution_id: &str,
    status: &str,
) -> Result<(), ServiceError> {
    if hook_execution_id.is_empty() {
        let message = "A lifecycle event hook is invalid.";
        return rejected("InvalidLifecycleEventHookExecutionIdException", message);
    }
    if !matches!(status, "Succeeded" | "Failed") {
        let message = "The result of a Lambda validation function that verifies a lifecycle event is invalid. It should return Succeeded or Failed.";
        return rejected("InvalidLifecycleEventHookExecutionStatusException", message);
    }
    let behavior = latest(&state.behaviors, |about| about == deployment_id);
    let accepts_repeated = behavior.is_some_and(|behavior| behavior.accepts_repeated_status);
    let mut accepted = state.accepted_statuses.iter();
    match accepted.find(|accepted| accepted.hook_execution_id == hook_execution_id) {
        Some(earlier) if accepts_repeated && earlier.status == status => {}
        Some(_) => {
            let message =
                "An attempt to return the status of an already completed lifecycle event occurred.";
            return rejected("LifecycleEventAlreadyCompletedException", message);
        }
        None => state.accepted_statuses.push(AcceptedStatus {
            deployment_id: deployment_id.to_owned(),
            hook_execution_id: hook_execution_id.to_owned(),
            status: status.to_owned(),
            at: SystemTime::now(),
        }),
    }
    Ok(())
}

fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap_or_default()
}
