//! Reporting a hook's status to CodeDeploy.

use std::fmt;

use aws_sdk_codedeploy::{Client, types::LifecycleEventStatus};
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

/// What became of a report that CodeDeploy did not reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The hook now has this status.
    Accepted,
    /// The hook was completed before: by an earlier attempt, an engineer, or its own timeout. Nothing is left to do.
    AlreadyCompleted,
}

/// Reports the hook's status to CodeDeploy.
///
/// # Errors
/// When CodeDeploy rejected it or did not respond. That the hook was already completed is not an error.
pub async fn report(
    client: &Client,
    hook: &Hook,
    status: HookStatus,
) -> Result<ReportOutcome, AwsFailure> {
    let failure = client
        .put_lifecycle_event_hook_execution_status()
        .deployment_id(&hook.deployment_id)
        .lifecycle_event_hook_execution_id(hook.lifecycle_event_hook_execution_id.reveal())
        .status(LifecycleEventStatus::from(status.as_str()))
        .send()
        .await
        .err()
        .map(AwsFailure::from);
    match failure {
        None => Ok(ReportOutcome::Accepted),
        Some(failure) if failure.code() == Some("LifecycleEventAlreadyCompletedException") => {
            Ok(ReportOutcome::AlreadyCompleted)
        }
        Some(failure) => Err(failure),
    }
}
