//! Which request is which operation.

use axum::{body::Bytes, http, response::Response};
use serde_json::Value;

use crate::{
    Operation, Protocol, ServiceError, Shared,
    cloudfront::{self, Owner},
    codedeploy, ecs, forward,
};

pub type HttpRequest = http::Request<Bytes>;

pub async fn route(shared: &Shared, request: HttpRequest) -> Response {
    let path = request.uri().path().to_owned();
    // A REST path begins with the version of the API.
    let path: Vec<_> = path.split('/').skip(2).collect();
    let owner = match path[..] {
        ["distribution", id, ..] => Some(Owner::Distribution(id)),
        ["distribution-tenant", id, ..] => Some(Owner::Tenant(id)),
        _ => None,
    };
    match (request.method().as_str(), owner, &path[..]) {
        ("POST", Some(owner), [_, _, "invalidation"]) => {
            cloudfront::create_invalidation(shared, &request, owner).await
        }
        ("GET", Some(owner), [_, _, "invalidation"]) => {
            cloudfront::list_invalidations(shared, &request, owner).await
        }
        ("GET", Some(owner), [_, _, "invalidation", id]) => {
            cloudfront::get_invalidation(shared, &request, owner, id).await
        }
        ("GET", _, ["distribution", id, "config"]) => {
            cloudfront::get_distribution_config(shared, &request, id).await
        }
        ("GET", _, ["distribution-tenant", id]) => {
            cloudfront::get_distribution_tenant(shared, &request, id).await
        }
        ("POST", _, ["functions", name, "invocations"]) => {
            forward::invoke(shared, request, name).await
        }
        _ => route_by_target(shared, request).await,
    }
}

/// The services that share the path `/`, where the header `x-amz-target` names the operation.
async fn route_by_target(shared: &Shared, request: HttpRequest) -> Response {
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    match target.unwrap_or_default() {
        "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus" => {
            codedeploy::put_status(shared, &request, &body).await
        }
        "CodeDeploy_20141006.GetDeployment" => {
            codedeploy::get_deployment(shared, &request, &body).await
        }
        "AmazonEC2ContainerServiceV20141113.DescribeServiceDeployments" => {
            ecs::describe_service_deployments(shared, &request, &body).await
        }
        "AWSStepFunctions.StartExecution" => {
            forward::execution(shared, request, Operation::StartExecution, body).await
        }
        "AWSStepFunctions.DescribeExecution" => {
            forward::execution(shared, request, Operation::DescribeExecution, body).await
        }
        "AmazonSQS.SendMessage" => forward::message(shared, request, body).await,
        _ => {
            let message = "The stand-in does not have this operation.";
            Protocol::Json11.error(ServiceError::new("UnknownOperationException", 400, message))
        }
    }
}
