//! Calls for Step Functions, Lambda and SQS, forwarded to a local AWS that has these services.

use std::error::Error;

use axum::{
    body::{Body, to_bytes},
    response::Response,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use strum::VariantArray;

use crate::{
    Call, ErrorCode, Fault, Function, Operation, Protocol, Request, ServiceError, Shared,
    deployments::service_deployment_id, latest, respond,
};

/// Lambda's `Invoke`, by an execution of the state machine.
pub async fn invoke(shared: &Shared, request: Request, name: &str) -> Response {
    let payload: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let execution = payload["executionName"].as_str().unwrap_or_default();
    let mut functions = Function::VARIANTS.iter();
    let function = functions.find(|function| name.contains(&format!("{function:?}")));
    let operation = Operation::Invoke(*function.expect("it is one of them"));
    let mut call = Call::new(operation, execution, &request);
    call.caller_reference = Some(execution.to_owned());
    let url = shared.lock().lambda_and_sqs_url.clone();
    let work = async |_: Option<&Fault>| forward(url, request).await;
    respond(shared, call, Protocol::Lambda, work).await
}

/// Step Functions' operations on an execution.
pub async fn execution(
    shared: &Shared,
    request: Request,
    operation: Operation,
    document: Value,
) -> Response {
    let arn = document["executionArn"].as_str();
    let of_arn = arn.and_then(|arn| arn.rsplit(':').next());
    let name = document["name"].as_str().or(of_arn).unwrap_or_default();
    let is_about = |prefix: &str| name.starts_with(prefix);
    let url = latest(&shared.lock().step_functions_urls, is_about);
    let mut call = Call::new(operation, name, &request);
    call.caller_reference = Some(name.to_owned());
    call.request = document;
    let work = async |_: Option<&Fault>| forward(url, request).await;
    respond(shared, call, Protocol::Json10, work).await
}

/// SQS's `SendMessage`. The message is a hook event that the hook function couldn't handle, or a rollback of Amazon ECS.
pub async fn message(shared: &Shared, request: Request, document: Value) -> Response {
    let message = document["MessageBody"].as_str().unwrap_or_default();
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let deployment_id = message["requestPayload"]["DeploymentId"].as_str();
    let arn = message["serviceDeploymentArn"].as_str();
    let subject = deployment_id.or(arn.map(service_deployment_id));
    let subject = subject.unwrap_or_default();
    let mut call = Call::new(Operation::SendMessage, subject, &request);
    call.request = document;
    let url = shared.lock().lambda_and_sqs_url.clone();
    respond(shared, call, Protocol::Json10, async |_| match url {
        Some(_) => forward(url, request).await,
        None => Ok(Protocol::Json10.json(&json!({ "MessageId": "stand-in" }))),
    })
    .await
}

async fn forward(url: Option<String>, request: Request) -> Result<Response, ServiceError> {
    let response = send(url, request).await;
    response.map_err(|error| ServiceError::new("NotForwarded", 400, &error.to_string()))
}

async fn send(
    url: Option<String>,
    request: Request,
) -> Result<Response, Box<dyn Error + Send + Sync>> {
    let url = url.ok_or("the stand-in has no URL to forward this to")?;
    let mut request = request.map(Body::from);
    *request.uri_mut() = format!("{url}{}", request.uri()).parse()?;
    // These are about the connection that the request arrived on.
    for name in ["host", "content-length", "transfer-encoding", "expect"] {
        request.headers_mut().remove(name);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (mut parts, body) = client.request(request).await?.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await?;
    parts.headers.remove("transfer-encoding");
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut fields = ["errorType", "__type"].iter();
    if let Some(code) = fields.find_map(|field| document[field].as_str()) {
        parts.extensions.insert(ErrorCode(code.to_owned()));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
