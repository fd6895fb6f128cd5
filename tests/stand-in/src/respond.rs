//! What every call goes through, whichever service it is for: faults, the error's format, and the record.

use std::time::SystemTime;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{Call, Fault, Operation, ServiceError, cloudfront::documents, state::Shared};

/// How a service writes its errors.
#[derive(Debug, Clone, Copy)]
pub enum Protocol {
    RestXml,
    Json10,
    Json11,
    Lambda,
}

/// Marks a response as an error, for the record.
#[derive(Debug, Clone)]
pub struct ErrorCode(pub String);

/// Responds to a call with the fault injected for it or with the result of `work`, and records it.
///
/// `work` has the call's effect. It gets the fault, since a fault can change what a response shows.
pub async fn respond(
    shared: &Shared,
    mut call: Call,
    protocol: Protocol,
    work: impl AsyncFnOnce(Option<&Fault>) -> Result<Response, ServiceError>,
) -> Response {
    let fault = shared.lock().take_fault(&call);
    let result = match &fault {
        Some(Fault::Rejected(error)) => Err(error.clone()),
        Some(Fault::Response(document)) => Ok(protocol.json(document)),
        Some(Fault::Before(connection_fault)) => {
            call.error = Some(format!("{connection_fault:?}"));
            Ok(connection_fault.into_response())
        }
        _ => work(fault.as_ref()).await,
    };
    let mut response = result.unwrap_or_else(|error| protocol.error(error));
    if let Some(ErrorCode(code)) = response.extensions_mut().remove() {
        call.error = Some(code);
    }
    if let Some(Fault::After(connection_fault)) = fault {
        if matches!(call.operation, Operation::Invoke(_)) {
            call.error = Some(format!("{connection_fault:?}"));
        }
        response = connection_fault.into_response();
    }
    call.at = SystemTime::now();
    shared.lock().calls.push(call);
    response
}

impl Protocol {
    /// A successful response of a service that speaks JSON.
    pub fn json(self, document: &Value) -> Response {
        let content_type = match self {
            Self::Json10 => "application/x-amz-json-1.0",
            Self::Json11 => "application/x-amz-json-1.1",
            Self::Lambda | Self::RestXml => "application/json",
        };
        let headers = [
            ("content-type", content_type),
            ("x-amzn-requestid", "stand-in"),
        ];
        (headers, document.to_string()).into_response()
    }

    pub fn error(self, error: ServiceError) -> Response {
        let ServiceError { code, message, .. } = error;
        let status = StatusCode::from_u16(error.status).expect("tests inject valid HTTP statuses");
        let mut response = match self {
            Self::RestXml => documents::error(status, &code, &message),
            Self::Json10 | Self::Json11 => {
                self.json(&json!({ "__type": code, "message": message }))
            }
            Self::Lambda => {
                let body = self.json(&json!({ "Type": "User", "message": message }));
                ([("x-amzn-errortype", code.as_str())], body).into_response()
            }
        };
        *response.status_mut() = status;
        response.extensions_mut().insert(ErrorCode(code));
        response
    }
}
