//! The response that Amazon ECS expects from a lifecycle hook's function. Anything else rolls the deployment back.

use serde::Serialize;
use serde_json::{Map, Value};
use shared::codedeploy::HookStatus;

/// How long ECS waits before it calls again after a call that failed, in seconds: its own default.
const RETRY_DELAY_SECONDS: u64 = 30;
/// The field of `hookDetails` with the number of calls in a row that failed.
pub(crate) const FAILED_CALLS: &str = "failedCalls";

/// The response of a lifecycle hook's function.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    hook_status: Status,
    /// After how many seconds ECS calls again.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_back_delay: Option<u64>,
    /// What the next call gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_details: Option<Map<String, Value>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Succeeded,
    Failed,
    InProgress,
}

impl Response {
    /// ECS continues the deployment.
    pub const SUCCEEDED: Self = Self::finished(Status::Succeeded);
    const FAILED: Self = Self::finished(Status::Failed);

    const fn finished(hook_status: Status) -> Self {
        Self {
            hook_status,
            call_back_delay: None,
            hook_details: None,
        }
    }

    /// In ECS's words, for example `SUCCEEDED`.
    #[must_use]
    pub fn status(&self) -> &'static str {
        self.hook_status.into()
    }

    /// ECS calls again after so many seconds. `hook_details` is that of the event.
    #[must_use]
    pub fn in_progress(call_back_delay: u64, mut hook_details: Map<String, Value>) -> Self {
        // AWS does not document what becomes of a field that a response leaves out.
        let has_failed = hook_details.insert(FAILED_CALLS.to_owned(), 0.into());
        Self {
            hook_status: Status::InProgress,
            call_back_delay: Some(call_back_delay),
            hook_details: has_failed.map(|_| hook_details),
        }
    }

    /// ECS calls again, because this call failed; none if so many calls in a row have failed.
    #[must_use]
    pub fn again(limit: u64, mut hook_details: Map<String, Value>) -> Option<Self> {
        let failed = hook_details.get(FAILED_CALLS).and_then(Value::as_u64);
        let failed = failed.unwrap_or_default().saturating_add(1);
        hook_details.insert(FAILED_CALLS.to_owned(), failed.into());
        (failed < limit).then_some(Self {
            hook_status: Status::InProgress,
            call_back_delay: Some(RETRY_DELAY_SECONDS),
            hook_details: Some(hook_details),
        })
    }
}

impl From<HookStatus> for Response {
    fn from(status: HookStatus) -> Self {
        match status {
            HookStatus::Succeeded => Self::SUCCEEDED,
            HookStatus::Failed => Self::FAILED,
        }
    }
}
