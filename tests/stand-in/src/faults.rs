//! What tests inject into calls, and what they choose where a service's behavior isn't known.

use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Fault {
    /// The call has no effect and gets an error response.
    Rejected(ServiceError),
    /// The call has no effect and gets a successful response with this document, of a service that speaks JSON.
    Response(Value),
    /// The call has no effect, and the connection fails.
    Before(ConnectionFault),
    /// The call has its effect, and then the connection fails.
    After(ConnectionFault),
    /// The response shows an invalidation with this status.
    Status(String),
}

impl Fault {
    /// An error response.
    pub fn new(code: &str, status: u16, message: &str) -> Self {
        Self::Rejected(ServiceError::new(code, status, message))
    }
}

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServiceError {
    /// The error code, spelled as the service spells it on the wire.
    pub code: String,
    pub status: u16,
    pub message: String,
}

impl ServiceError {
    pub(crate) fn new(code: &str, status: u16, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            status,
            message: message.to_owned(),
        }
    }
}

/// An error of the client's, for a service to return.
pub(crate) fn rejected<T>(code: &str, message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::new(code, 400, message))
}

/// What can happen instead of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum ConnectionFault {
    /// The response can't be parsed.
    Unparseable,
    /// The connection is closed.
    Closed,
    /// There is no response, however long the caller waits.
    NoResponse,
    /// The calling process is killed. For Lambda, the function crashes.
    CallerKilled,
    /// The calling process is stopped. For Lambda, the function times out.
    CallerFrozen,
}

/// A response that can't be parsed. `connection` finds the fault in it and does the rest.
impl IntoResponse for ConnectionFault {
    fn into_response(self) -> Response {
        let mut response = "neither XML nor JSON".into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// What the services do where nobody knows for sure.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behavior {
    /// CloudFront rejects a caller reference that it knows instead of returning the earlier invalidation.
    pub rejects_known_caller_reference: bool,
    /// The distribution has no `CacheTagConfig`. (It is a setting, not a behavior; what CloudFront does with tags then is
    /// not known, and the product doesn't ask for it.)
    pub lacks_cache_tags: bool,
    /// CodeDeploy accepts the same status again instead of saying that the hook was already completed.
    pub accepts_repeated_status: bool,
}
