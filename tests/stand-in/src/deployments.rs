//! CodeDeploy's and Amazon ECS's JSON 1.1.

use std::time::SystemTime;

use axum::response::Response;
use serde_json::{Value, json};

use crate::{
    AcceptedStatus, Call, Operation, Protocol, Request, ServiceError, Shared, State, latest,
    rejected, respond,
};

const PROTOCOL: Protocol = Protocol::Json11;

pub async fn put_status(shared: &Shared, request: &Request, body: &Value) -> Response {
    let deployment_id = text(body, "deploymentId");
    let operation = Operation::PutLifecycleEventHookExecutionStatus;
    let mut call = Call::new(operation, &deployment_id, request);
    call.request = body.clone();
    respond(shared, call, PROTOCOL, async |_| {
        check_deployment_id(&deployment_id)?;
        let new = AcceptedStatus {
            deployment_id,
            hook_execution_id: text(body, "lifecycleEventHookExecutionId"),
            status: text(body, "status"),
            at: SystemTime::now(),
        };
        let response = json!({ "lifecycleEventHookExecutionId": new.hook_execution_id });
        accept(&mut shared.lock(), new)?;
        Ok(PROTOCOL.json(&response))
    })
    .await
}

pub async fn get_deployment(shared: &Shared, request: &Request, body: &Value) -> Response {
    let deployment_id = &text(body, "deploymentId");
    let call = Call::new(Operation::GetDeployment, deployment_id, request);
    respond(shared, call, PROTOCOL, async |_| {
        check_deployment_id(deployment_id)?;
        let deployment = latest(&shared.lock().deployments, |about| about == deployment_id);
        let (group, creator) = deployment.unwrap_or_else(|| ("shop/web".into(), "user".into()));
        let mut found = json!({
            "deploymentId": deployment_id,
            "status": "InProgress",
            "creator": creator,
            "computePlatform": "ECS",
        });
        if let Some((application, group)) = group.split_once('/') {
            found["applicationName"] = application.into();
            found["deploymentGroupName"] = group.into();
        }
        Ok(PROTOCOL.json(&json!({ "deploymentInfo": found })))
    })
    .await
}

/// Every service deployment has rolled back.
pub async fn describe_service_deployments(
    shared: &Shared,
    request: &Request,
    body: &Value,
) -> Response {
    let arn = body["serviceDeploymentArns"][0].as_str();
    let arn = arn.unwrap_or_default();
    let operation = Operation::DescribeServiceDeployments;
    let call = Call::new(operation, service_deployment_id(arn), request);
    respond(shared, call, PROTOCOL, async |_| {
        let deployment = json!({ "serviceDeploymentArn": arn, "status": "ROLLBACK_SUCCESSFUL" });
        Ok(PROTOCOL.json(&json!({ "serviceDeployments": [deployment], "failures": [] })))
    })
    .await
}

/// The last part of its ARN.
pub fn service_deployment_id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
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

fn accept(state: &mut State, new: AcceptedStatus) -> Result<(), ServiceError> {
    if new.hook_execution_id.is_empty() {
        let message = "A lifecycle event hook is invalid.";
        return rejected("InvalidLifecycleEventHookExecutionIdException", message);
    }
    if !matches!(&*new.status, "Succeeded" | "Failed") {
        let message = "The result of a Lambda validation function that verifies a lifecycle event is invalid. It should return Succeeded or Failed.";
        return rejected("InvalidLifecycleEventHookExecutionStatusException", message);
    }
    let behavior = latest(&state.behaviors, |about| about == new.deployment_id);
    let accepts_repeated = behavior.is_some_and(|behavior| behavior.accepts_repeated_status);
    let mut accepted = state.accepted_statuses.iter();
    match accepted.find(|accepted| accepted.hook_execution_id == new.hook_execution_id) {
        Some(earlier) if accepts_repeated && earlier.status == new.status => Ok(()),
        Some(_) => {
            let message =
                "An attempt to return the status of an already completed lifecycle event occurred.";
            rejected("LifecycleEventAlreadyCompletedException", message)
        }
        None => {
            state.accepted_statuses.push(new);
            Ok(())
        }
    }
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_default().to_owned()
}
