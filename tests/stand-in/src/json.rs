//! The services that share one path, where the header `x-amz-target` names the operation.

use axum::{
    body::Bytes,
    extract,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use serde_json::Value;

use crate::{Operation, ServiceError, codedeploy, forward, respond::Protocol, state::Shared};

pub(crate) async fn handle(
    extract::State(shared): extract::State<Shared>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let target = headers.get("x-amz-target").map(HeaderValue::as_bytes);
    match target.unwrap_or_default() {
        b"CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus" => {
            codedeploy::put_status(&shared, &headers, &request).await
        }
        b"CodeDeploy_20141006.GetDeployment" => {
            codedeploy::get_deployment(&shared, &headers, &request).await
        }
        b"AWSStepFunctions.StartExecution" => {
            let name = request["name"].as_str().unwrap_or_default();
            forward::execution(&shared, Operation::StartExecution, name, headers, body).await
        }
        b"AWSStepFunctions.DescribeExecution" => {
            let arn = request["executionArn"].as_str().unwrap_or_default();
            let name = arn.rsplit(':').next().unwrap_or_default();
            forward::execution(&shared, Operation::DescribeExecution, name, headers, body).await
        }
        b"AmazonSQS.SendMessage" => forward::message(&shared, request, headers, body).await,
        _ => Protocol::Json11.error(ServiceError::new(
            "UnknownOperationException",
            400,
            "The stand-in does not have this operation.",
        )),
    }
}
