//! CodeDeploy's JSON 1.1.

use std::time::SystemTime;

use axum::{http::HeaderMap, response::Response};
use serde_json::{Value, json};

use crate::{
    AcceptedStatus, Call, Operation, Request, ServiceError,
    respond::{Protocol, respond},
    state::{Shared, State, latest},
};

const PROTOCOL: Protocol = Protocol::Json11;

pub(crate) async fn put_status(shared: &Shared, headers: &HeaderMap, request: &Value) -> Response {
    let deployment_id = text(request, "deploymentId");
    let hook_execution_id = text(request, "lifecycleEventHookExecutionId");
    let status = text(request, "status");
    let operation = Operation::PutLifecycleEventHookExecutionStatus;
    let call = Call {
        request: Request::HookStatus {
            hook_execution_id: hook_execution_id.to_owned(),
            status: status.to_owned(),
        },
        ..Call::new(operation, deployment_id, headers)
    };
    respond(shared, call, PROTOCOL, async |_| {
        check_deployment_id(deployment_id)?;
        accept(&mut shared.lock(), deployment_id, hook_execution_id, status)?;
        Ok(PROTOCOL.json(&json!({ "lifecycleEventHookExecutionId": hook_execution_id })))
    })
    .await
}

pub(crate) async fn get_deployment(
    shared: &Shared,
    headers: &HeaderMap,
    request: &Value,
) -> Response {
    let deployment_id = text(request, "deploymentId");
    let call = Call::new(Operation::GetDeployment, deployment_id, headers);
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
    let behavior = latest(&state.behaviors, deployment_id, None).unwrap_or_default();
    let mut accepted = state.accepted_statuses.iter();
    match accepted.find(|accepted| accepted.hook_execution_id == hook_execution_id) {
        Some(earlier) if behavior.accepts_repeated_status && earlier.status == status => {}
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

fn rejected(code: &str, message: &str) -> Result<(), ServiceError> {
    Err(ServiceError::new(code, 400, message))
}

fn text<'a>(request: &'a Value, field: &str) -> &'a str {
    request[field].as_str().unwrap_or_default()
}
