//! CodeDeploy's JSON 1.1. What is for Step Functions and SQS comes to the same path.


use axum::{
    body::Bytes,
    extract,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    AcceptedStatus, Call, Operation, Request, Shared, State, connection,
    faults::{self, ServiceError},
    front,
};

pub(crate) async fn handle(
    extract::State(shared): extract::State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let operation = match headers.get("x-amz-target").and_then(|t| t.to_str().ok()) {
        Some("CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus") => {
            Operation::PutLifecycleEventHookExecutionStatus
        }
        Some("CodeDeploy_20141006.GetDeployment") => Operation::GetDeployment,
        Some("AWSStepFunctions.StartExecution") => {
            return front::step_functions(&shared, Operation::StartExecution, headers, body).await;
        }
        Some("AWSStepFunctions.DescribeExecution") => {
            return front::step_functions(&shared, Operation::DescribeExecution, headers, body)
                .await;
        }
        Some("AmazonSQS.SendMessage") => return front::sqs(&shared, headers, body).await,
        _ => {
            return error(&ServiceError::new(
                "UnknownOperationException",
                400,
                "The stand-in does not have this operation.",
            ));
        }
    };
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let deployment_id = text(&body, "deploymentId");
    let request = match operation {
        Operation::PutLifecycleEventHookExecutionStatus => Request::HookStatus {
            hook_execution_id: text(&body, "lifecycleEventHookExecutionId"),
            status: text(&body, "status"),
        },
        _ => Request::Nothing,
    };
    let state = &mut *shared.lock();
    let fault = faults::take(&mut state.faults, operation, &deployment_id, None);
    let (outcome, refused) = faults::meet(fault, || {
        check_deployment_id(&deployment_id)?;
        let answer = match &request {
            Request::HookStatus {
                hook_execution_id,
                status,
            } => put(state, &deployment_id, hook_execution_id, status)?,
            _ => json!({ "deploymentInfo": {
                "deploymentId": deployment_id,
                "applicationName": "stand-in",
                "deploymentGroupName": "stand-in",
                "status": "InProgress",
            }}),
        };
        Ok(json_response(StatusCode::OK, &answer))
    });
    state.record(Call {
        operation,
        subject: deployment_id,
        caller_reference: None,
        request,
        access_key: connection::access_key(&headers),
        error: refused,
    });
    outcome.unwrap_or_else(|refusal| error(&refusal))
}

fn check_deployment_id(id: &str) -> Result<(), ServiceError> {
    if id.is_empty() {
        Err(ServiceError::new(
            "DeploymentIdRequiredException",
            400,
            "At least one deployment ID must be specified.",
        ))
    } else if id.starts_with("d-") {
        Ok(())
    } else {
        Err(ServiceError::new(
            "InvalidDeploymentIdException",
            400,
            "At least one of the deployment IDs was specified in an invalid format.",
        ))
    }
}

fn put(
    state: &mut State,
    deployment_id: &str,
    hook_execution_id: &str,
    status: &str,
) -> Result<Value, ServiceError> {
    if hook_execution_id.is_empty() {
        return Err(ServiceError::new(
            "InvalidLifecycleEventHookExecutionIdException",
            400,
            "A lifecycle event hook is invalid.",
        ));
    }
    if !matches!(status, "Succeeded" | "Failed") {
        return Err(ServiceError::new(
            "InvalidLifecycleEventHookExecutionStatusException",
            400,
            "The result of a Lambda validation function that verifies a lifecycle event is invalid. It should return Succeeded or Failed.",
        ));
    }
    let accepted_again = state.behavior(deployment_id, None).accepts_repeated_status;
    let mut earlier = state.answers.iter();
    match earlier.find(|taken| taken.hook_execution_id == hook_execution_id) {
        Some(earlier) if !(accepted_again && earlier.status == status) => Err(ServiceError::new(
            "LifecycleEventAlreadyCompletedException",
            400,
            "An attempt to return the status of an already completed lifecycle event occurred.",
        )),
        Some(_) => Ok(json!({ "lifecycleEventHookExecutionId": hook_execution_id })),
        None => {
            state.answers.push(AcceptedStatus {
                deployment_id: deployment_id.to_owned(),
                hook_execution_id: hook_execution_id.to_owned(),
                status: status.to_owned(),
                at: std::time::SystemTime::now(),
            });
            Ok(json!({ "lifecycleEventHookExecutionId": hook_execution_id }))
        }
    }
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_default().to_owned()
}

fn error(refusal: &ServiceError) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    json_response(
        status,
        &json!({ "__type": refusal.code, "message": refusal.message }),
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
