//! The response that Amazon ECS expects from a lifecycle hook's function. Anything else rolls the deployment back.

use serde::Serialize;
use serde_json::Value;
use shared::codedeploy::HookStatus;

use crate::event::LifecycleEvent;

/// How long ECS waits before it calls again after a call that failed, in seconds: its own default.
const RETRY_DELAY_SECONDS: u64 = 30;

/// The response of a lifecycle hook's function.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    hook_status: Status,
    /// After how many seconds ECS calls again.
    #[serde(skip_serializing_if = "Option::is_none")]
    call_back_delay: Option<u64>,
    /// All `hookDetails` of the next call: see [`LifecycleEvent::next_hook_details`].
    #[serde(skip_serializing_if = "Option::is_none")]
    hook_details: Option<Value>,
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

    /// ECS calls again after so many seconds.
    #[must_use]
    pub fn in_progress(event: &LifecycleEvent, call_back_delay: u64) -> Self {
        Self {
            hook_status: Status::InProgress,
            call_back_delay: Some(call_back_delay),
            hook_details: Some(event.next_hook_details(0)),
        }
    }

    /// ECS calls again, because this call failed; none if `limit` calls in a row have failed.
    #[must_use]
    pub fn again(event: &LifecycleEvent, limit: u64) -> Option<Self> {
        let failed_calls = event.failed_calls().saturating_add(1);
        (failed_calls < limit).then(|| Self {
            hook_details: Some(event.next_hook_details(failed_calls)),
            ..Self::in_progress(event, RETRY_DELAY_SECONDS)
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
