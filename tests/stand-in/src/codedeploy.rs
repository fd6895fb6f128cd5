//! CodeDeploy's JSON 1.1.

use axum::{
    extract,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{Call, Fault, Operation, Request, Shared, State, faults};

pub(crate) async fn handle(
    extract::State(shared): extract::State<Shared>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let operation = match headers.get("x-amz-target").and_then(|t| t.to_str().ok()) {
        Some("CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus") => {
            Operation::PutLifecycleEventHookExecutionStatus
        }
        Some("CodeDeploy_20141006.GetDeployment") => Operation::GetDeployment,
        _ => {
            return error(&Fault::new(
                "UnknownOperationException",
                400,
                "The stand-in does not have this operation.",
            ));
        }
    };
    let body: Value = serde_json::from_str(&body).unwrap_or_default();
    let deployment_id = text(&body, "deploymentId");
    let request = match operation {
        Operation::PutLifecycleEventHookExecutionStatus => Request::Answer {
            hook_execution_id: text(&body, "lifecycleEventHookExecutionId"),
            status: text(&body, "status"),
        },
        _ => Request::Nothing,
    };
    let state = &mut *shared.lock();
    let outcome = match faults::take(&mut state.faults, operation, &deployment_id, None) {
        Some(fault) => Err(fault),
        None => check_deployment_id(&deployment_id).and_then(|()| match &request {
            Request::Answer {
                hook_execution_id,
                status,
            } => put(state, hook_execution_id, status),
            _ => Ok(json!({ "deploymentInfo": {
                "deploymentId": deployment_id,
                "applicationName": "stand-in",
                "deploymentGroupName": "stand-in",
                "status": "InProgress",
            }})),
        }),
    };
    state.calls.push(Call {
        operation,
        subject: deployment_id,
        caller_reference: None,
        request,
        error: outcome.as_ref().err().map(|fault| fault.code.clone()),
    });
    match outcome {
        Ok(answer) => json_response(StatusCode::OK, &answer),
        Err(fault) => error(&fault),
    }
}

fn check_deployment_id(id: &str) -> Result<(), Fault> {
    if id.is_empty() {
        Err(Fault::new(
            "DeploymentIdRequiredException",
            400,
            "At least one deployment ID must be specified.",
        ))
    } else if id.starts_with("d-") {
        Ok(())
    } else {
        Err(Fault::new(
            "InvalidDeploymentIdException",
            400,
            "At least one of the deployment IDs was specified in an invalid format.",
        ))
    }
}

fn put(state: &mut State, hook_execution_id: &str, status: &str) -> Result<Value, Fault> {
    if hook_execution_id.is_empty() {
        return Err(Fault::new(
            "InvalidLifecycleEventHookExecutionIdException",
            400,
            "A lifecycle event hook is invalid.",
        ));
    }
    if !matches!(status, "Succeeded" | "Failed") {
        return Err(Fault::new(
            "InvalidLifecycleEventHookExecutionStatusException",
            400,
            "The result of a Lambda validation function that verifies a lifecycle event is invalid. It should return Succeeded or Failed.",
        ));
    }
    let accepted_again = state.switches.same_answer_accepted_twice;
    match state.answers.get(hook_execution_id) {
        Some(earlier) if !(accepted_again && earlier == status) => Err(Fault::new(
            "LifecycleEventAlreadyCompletedException",
            400,
            "An attempt to return the status of an already completed lifecycle event occurred.",
        )),
        _ => {
            state
                .answers
                .insert(hook_execution_id.to_owned(), status.to_owned());
            Ok(json!({ "lifecycleEventHookExecutionId": hook_execution_id }))
        }
    }
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_default().to_owned()
}

fn error(fault: &Fault) -> Response {
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST);
    json_response(
        status,
        &json!({ "__type": fault.code, "message": fault.message }),
    )
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/x-amz-json-1.1")],
        body.to_string(),
    )
        .into_response()
}
