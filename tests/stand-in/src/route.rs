//! Which request is which operation.

use axum::{body::Bytes, http, response::Response};
use serde_json::Value;

use crate::{Operation, Protocol, ServiceError, Shared, cloudfront::Owner, deployments, forward};

pub type Request = http::Request<Bytes>;

pub async fn route(shared: &Shared, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    // A REST path begins with the version of the API.
    let path: Vec<_> = path.split('/').skip(2).collect();
    let owner = match path[..] {
        [kind @ ("distribution" | "distribution-tenant"), id, ..] => Some(Owner { kind, id }),
        _ => None,
    };
    match (request.method().as_str(), owner, &path[..]) {
        ("POST", Some(owner), [_, _, "invalidation"]) => owner.create(shared, &request).await,
        ("GET", Some(owner), [_, _, "invalidation"]) => owner.list(shared, &request).await,
        ("GET", Some(owner), [_, _, "invalidation", id]) => owner.get(shared, &request, id).await,
        ("GET", Some(owner), ["distribution", _, "config"] | ["distribution-tenant", _]) => {
            owner.configuration(shared, &request).await
        }
        ("POST", _, ["functions", name, "invocations"]) => {
            forward::invoke(shared, request, name).await
        }
        _ => route_by_target(shared, request).await,
    }
}

/// The services that share the path `/`, where the header `x-amz-target` names the operation after the service.
async fn route_by_target(shared: &Shared, request: Request) -> Response {
    let target = request.headers().get("x-amz-target");
    let operation = target.and_then(|target| target.to_str().ok()?.split('.').nth(1)?.parse().ok());
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    match operation {
        Some(Operation::PutLifecycleEventHookExecutionStatus) => {
            deployments::put_status(shared, &request, &body).await
        }
        Some(Operation::GetDeployment) => {
            deployments::get_deployment(shared, &request, &body).await
        }
        Some(Operation::DescribeServiceDeployments) => {
            deployments::describe_service_deployments(shared, &request, &body).await
        }
        Some(operation @ (Operation::StartExecution | Operation::DescribeExecution)) => {
            forward::execution(shared, request, operation, body).await
        }
        Some(Operation::SendMessage) => forward::message(shared, request, body).await,
        _ => {
            let message = "The stand-in does not have this operation.";
            Protocol::Json11.error(ServiceError::new("UnknownOperationException", 400, message))
        }
    }
}
