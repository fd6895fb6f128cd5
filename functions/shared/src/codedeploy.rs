//! Reporting a hook's status to CodeDeploy.

use std::fmt;

use aws_sdk_codedeploy::{
    Client,
    operation::put_lifecycle_event_hook_execution_status::PutLifecycleEventHookExecutionStatusError as ReportError,
    types::LifecycleEventStatus,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::{aws::AwsFailure, hook::Hook};

/// The two statuses that CodeDeploy accepts for a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookStatus {
    /// The deployment continues.
    Succeeded,
    /// The deployment fails, and may roll back.
    Failed,
}

impl HookStatus {
    /// The status as CodeDeploy spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for HookStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a report led to, if CodeDeploy did not reject it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The hook now has this status.
    Accepted,
    /// The hook was already completed: by an earlier report, by an engineer, or by its own timeout. Nothing is left to do.
    AlreadyCompleted,
}

/// Reports the hook's status to CodeDeploy.
///
/// # Errors
/// When CodeDeploy rejected it or did not respond. A hook that was already completed is not an error.
pub async fn report(
    client: &Client,
    hook: &Hook,
    status: HookStatus,
) -> Result<ReportOutcome, AwsFailure> {
    let response = client
        .put_lifecycle_event_hook_execution_status()
        .deployment_id(&hook.deployment_id)
        .lifecycle_event_hook_execution_id(hook.lifecycle_event_hook_execution_id.expose_secret())
        .status(LifecycleEventStatus::from(status.as_str()))
        .send()
        .await;
    match response {
        Ok(_) => Ok(ReportOutcome::Accepted),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(ReportError::is_lifecycle_event_already_completed_exception) =>
        {
            Ok(ReportOutcome::AlreadyCompleted)
        }
        Err(error) => Err(error.into()),
    }
}
