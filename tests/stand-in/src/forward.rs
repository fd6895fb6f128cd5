//! Calls for Step Functions, Lambda and SQS, forwarded to a local AWS that has these services.

use std::error::Error;

use axum::{
    body::{self, Body, Bytes},
    extract::{self, Path},
    http::{self, HeaderMap, Uri, header},
    response::Response,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

use crate::{
    Call, Function, Operation, Request, ServiceError,
    respond::{ErrorCode, Protocol, respond},
    state::{Shared, State, latest},
};

/// Lambda's `Invoke`.
pub(crate) async fn invoke(
    extract::State(shared): extract::State<Shared>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let payload: Value = serde_json::from_slice(&body).unwrap_or_default();
    let deployment_id = payload["hook"]["deploymentId"].as_str().unwrap_or_default();
    let operation = Operation::Invoke(function(&name));
    let mut call = Call::new(operation, deployment_id, &headers);
    call.caller_reference = caller_reference(&shared.lock(), &payload);
    let url = shared.lock().lambda_and_sqs_url.clone();
    let url = url.map(|url| format!("{url}{uri}"));
    respond(&shared, call, Protocol::Lambda, async |_| {
        forward(url, headers, body).await
    })
    .await
}

/// Step Functions' operations on an execution.
pub(crate) async fn execution(
    shared: &Shared,
    operation: Operation,
    name: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let url = latest(&shared.lock().step_functions_urls, name, Some(name));
    let call = Call {
        caller_reference: Some(name.to_owned()),
        ..Call::new(operation, name, &headers)
    };
    respond(shared, call, Protocol::Json10, async |_| {
        forward(url, headers, body).await
    })
    .await
}

/// SQS's `SendMessage`. The message is a hook event that the hook function couldn't handle.
pub(crate) async fn message(
    shared: &Shared,
    request: Value,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message = request["MessageBody"].as_str().unwrap_or_default();
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let deployment_id = message["requestPayload"]["DeploymentId"].as_str();
    let deployment_id = deployment_id.unwrap_or_default();
    let url = shared.lock().lambda_and_sqs_url.clone();
    let call = Call {
        request: Request::Message(request),
        ..Call::new(Operation::SendMessage, deployment_id, &headers)
    };
    respond(shared, call, Protocol::Json10, async |_| match url {
        Some(_) => forward(url, headers, body).await,
        None => Ok(Protocol::Json10.json(&json!({ "MessageId": "stand-in" }))),
    })
    .await
}

async fn forward(
    url: Option<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ServiceError> {
    let response = match url {
        Some(url) => post(&url, headers, body).await,
        None => Err("the stand-in has no URL to forward this to".into()),
    };
    response.map_err(|error| ServiceError::new("NotForwarded", 400, &error.to_string()))
}

async fn post(
    url: &str,
    mut headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Box<dyn Error + Send + Sync>> {
    // These are about the connection that the request arrived on.
    for name in [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::EXPECT,
    ] {
        headers.remove(name);
    }
    let mut request = http::Request::post(url).body(Body::from(body))?;
    *request.headers_mut() = headers;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (mut parts, body) = client.request(request).await?.into_parts();
    let body = body::to_bytes(Body::new(body), usize::MAX).await?;
    parts.headers.remove(header::TRANSFER_ENCODING);
    let document: Value = serde_json::from_slice(&body).unwrap_or_default();
    let code = document["errorType"]
        .as_str()
        .or(document["__type"].as_str());
    if let Some(code) = code {
        parts.extensions.insert(ErrorCode(code.to_owned()));
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// By the function's name in its stack or its folder's name.
fn function(name: &str) -> Function {
    let name = name.replace('-', "").to_lowercase();
    if name.contains("createinvalidation") {
        Function::Create
    } else if name.contains("checkinvalidation") {
        Function::Check
    } else {
        Function::Report
    }
}

/// The caller reference that a function is invoked about, or that of the first invalidation in its input.
fn caller_reference(state: &State, payload: &Value) -> Option<String> {
    if let Some(reference) = payload["callerReference"].as_str() {
        return Some(reference.to_owned());
    }
    let row = &payload["invalidations"][0];
    let id = row["invalidationId"].as_str()?;
    let invalidation = state.find(row["distributionId"].as_str()?, |i| i.id == id)?;
    Some(invalidation.caller_reference)
}
