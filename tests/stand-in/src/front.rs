//! In front of Step Functions and Lambda: calls are recorded and passed on to whoever plays these services, and meet
//! faults on the way.

use std::error::Error;

use axum::{
    body::{Body, Bytes},
    extract::{self, Path},
    http::{self, HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

use crate::{Call, Fault, Function, Operation, Request, Shared, State, connection, faults};

/// A call on its way through.
struct Passing {
    operation: Operation,
    subject: String,
    reference: Option<String>,
    /// Where to.
    url: Option<String>,
}

/// `Invoke`: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
pub(crate) async fn invoke(
    extract::State(shared): extract::State<Shared>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let payload = serde_json::from_slice(&body).unwrap_or_default();
    let passing = {
        let state = shared.lock();
        let function = Function::named(&name);
        let (subject, reference) = waiting_for(&state, &payload);
        Passing {
            operation: Operation::Invoke(function),
            subject,
            reference,
            url: state.behind.clone(),
        }
    };
    pass(&shared, passing, &uri, headers, body, |refusal| {
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        let body = json!({ "Type": "User", "message": refusal.message });
        let headers = [
            ("x-amzn-errortype", refusal.code.clone()),
            ("x-amzn-requestid", "stand-in".to_owned()),
        ];
        (status, headers, body.to_string()).into_response()
    })
    .await
}

/// Step Functions' JSON 1.0.
pub(crate) async fn step_functions(
    shared: &Shared,
    operation: Operation,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = match operation {
        Operation::StartExecution => request["name"].as_str(),
        _ => request["executionArn"]
            .as_str()
            .and_then(|arn| arn.rsplit(':').next()),
    };
    let name = name.unwrap_or_default().to_owned();
    let passing = Passing {
        operation,
        url: shared.lock().engine(&name),
        subject: name.clone(),
        reference: Some(name),
    };
    pass(
        shared,
        passing,
        &Uri::from_static("/"),
        headers,
        body,
        json_1_0,
    )
    .await
}

/// SQS's JSON 1.0. The message is a hook event that came to nothing.
pub(crate) async fn sqs(shared: &Shared, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = request["MessageBody"].as_str().unwrap_or_default();
    let message: Value = serde_json::from_str(message).unwrap_or_default();
    let deployment = message["requestPayload"]["DeploymentId"].as_str();
    let deployment = deployment.unwrap_or_default().to_owned();
    let passing = {
        let state = &mut *shared.lock();
        state.messages.push((deployment.clone(), request));
        Passing {
            operation: Operation::SendMessage,
            subject: deployment,
            reference: None,
            url: state.behind.clone(),
        }
    };
    pass(
        shared,
        passing,
        &Uri::from_static("/"),
        headers,
        body,
        json_1_0,
    )
    .await
}

fn json_1_0(refusal: &faults::ServiceError) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({ "__type": refusal.code, "message": refusal.message });
    let headers = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
    (status, headers, body.to_string()).into_response()
}

async fn pass(
    shared: &Shared,
    passing: Passing,
    uri: &Uri,
    headers: HeaderMap,
    body: Bytes,
    refuse: impl Fn(&faults::ServiceError) -> Response,
) -> Response {
    let Passing {
        operation,
        subject,
        reference,
        url,
    } = passing;
    let access_key = connection::access_key(&headers);
    let fault = faults::take(
        &mut shared.lock().faults,
        operation,
        &subject,
        reference.as_deref(),
    );
    let (response, error, wait_seconds) = match &fault {
        Some(Fault::Rejected(refusal)) => (refuse(refusal), Some(refusal.code.clone()), 0),
        Some(Fault::Before(connection_fault)) => (
            connection_fault.in_place_of_an_answer(),
            Some(format!("{connection_fault:?}")),
            0,
        ),
        None if operation == Operation::SendMessage && url.is_none() => {
            let answer = json!({ "MessageId": "stand-in" }).to_string();
            (answer.into_response(), None, 0)
        }
        _ => {
            let (answer, body) = forward(url, uri, headers, body).await;
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let error = ["errorType", "__type"]
                .iter()
                .find_map(|field| said[field].as_str());
            let answer = match fault {
                Some(Fault::After(connection_fault)) => connection_fault.in_place_of_an_answer(),
                _ => answer,
            };
            (
                answer,
                error.map(str::to_owned),
                said["waitSeconds"].as_u64().unwrap_or_default(),
            )
        }
    };
    // To whoever invoked it, an answer that is lost is an error as well.
    let error = match fault {
        Some(Fault::After(connection_fault)) => Some(format!("{connection_fault:?}")),
        _ => error,
    };
    shared.lock().record(Call {
        operation,
        subject,
        caller_reference: reference,
        request: Request::Forwarded { wait_seconds },
        access_key,
        error,
    });
    response
}

/// What the service behind says, and the body of it once more.
async fn forward(
    url: Option<String>,
    uri: &Uri,
    mut headers: HeaderMap,
    body: Bytes,
) -> (Response, Bytes) {
    for name in [
        header::HOST,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::EXPECT,
    ] {
        headers.remove(name);
    }
    let answer = match url {
        Some(url) => post(&format!("{url}{uri}"), headers, body).await,
        None => Err("the stand-in was not told whom to pass this on to".into()),
    };
    answer.map_or_else(
        |error| {
            let body = json!({ "__type": "NobodyBehind", "message": error.to_string() });
            let body = Bytes::from(body.to_string());
            (
                (StatusCode::BAD_REQUEST, body.clone()).into_response(),
                body,
            )
        },
        |answer| {
            let (mut parts, body) = answer.into_parts();
            parts.headers.remove(header::TRANSFER_ENCODING);
            (Response::from_parts(parts, Body::from(body.clone())), body)
        },
    )
}

/// Posts to a service on this machine, and returns whatever it answers.
///
/// # Errors
/// When there is no answer.
pub async fn post(
    url: &str,
    headers: HeaderMap,
    body: impl Into<Bytes>,
) -> Result<http::Response<Bytes>, Box<dyn Error + Send + Sync>> {
    let mut request = http::Request::post(url).body(Full::new(body.into()))?;
    *request.headers_mut() = headers;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await?.into_parts();
    Ok(http::Response::from_parts(
        parts,
        body.collect().await?.to_bytes(),
    ))
}

impl Function {
    fn named(name: &str) -> Self {
        // With CloudFormation's names, or the folders'.
        let name = name.replace('-', "").to_lowercase();
        if name.contains("createinvalidation") {
            Self::Create
        } else if name.contains("checkinvalidation") {
            Self::Check
        } else {
            Self::Report
        }
    }
}

/// Whose purge a function is invoked for: the deployment, and the caller reference if there is one.
fn waiting_for(state: &State, payload: &Value) -> (String, Option<String>) {
    let reference = payload["callerReference"]
        .as_str()
        .map(str::to_owned)
        .or_else(|| {
            let row = &payload["invalidations"][0];
            let made = state.invalidations.get(row["distributionId"].as_str()?)?;
            let id = row["invalidationId"].as_str()?;
            let found = made.iter().find(|i| i.id == id)?;
            Some(found.caller_reference.clone())
        });
    let deployment = payload["hook"]["deploymentId"].as_str().unwrap_or_default();
    (deployment.to_owned(), reference)
}
