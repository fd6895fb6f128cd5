//! Amazon ECS's JSON 1.1: the status of a service deployment.

use axum::response::Response;
use serde_json::{Value, json};

use crate::{Call, HttpRequest, Operation, Protocol, Shared, respond};

const PROTOCOL: Protocol = Protocol::Json11;

/// Every service deployment has rolled back.
pub async fn describe_service_deployments(
    shared: &Shared,
    request: &HttpRequest,
    body: &Value,
) -> Response {
    let arn = body["serviceDeploymentArns"][0].as_str();
    let arn = arn.unwrap_or_default();
    let operation = Operation::DescribeServiceDeployments;
    let call = Call::new(operation, deployment_id(arn), request);
    respond(shared, call, PROTOCOL, async |_| {
        let deployment = json!({ "serviceDeploymentArn": arn, "status": "ROLLBACK_SUCCESSFUL" });
        Ok(PROTOCOL.json(&json!({ "serviceDeployments": [deployment], "failures": [] })))
    })
    .await
}

/// The last part of the ARN of a service deployment.
pub fn deployment_id(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}
