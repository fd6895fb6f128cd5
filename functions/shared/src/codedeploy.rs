//! Telling CodeDeploy how its hook went.

use std::fmt;

use aws_sdk_codedeploy::{Client, types::LifecycleEventStatus};
use serde::{Deserialize, Serialize};

use crate::{aws::AwsFailure, hook::Hook};

/// The two answers CodeDeploy takes from a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The deployment goes on.
    Succeeded,
    /// The deployment fails, and may roll back.
    Failed,
}

impl Answer {
    /// The word CodeDeploy and people know it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether CodeDeploy took an answer from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It took ours.
    Accepted,
    /// It had one already: from an earlier attempt, an engineer, or its own hour. Nothing is left to do.
    AlreadyAnswered,
}

/// Tells CodeDeploy the hook's result.
///
/// # Errors
/// What CodeDeploy said or did instead of taking the answer. That it already has one is not an error.
pub async fn tell(client: &Client, hook: &Hook, answer: Answer) -> Result<Delivery, AwsFailure> {
    let refusal = client
        .put_lifecycle_event_hook_execution_status()
        .deployment_id(&hook.deployment_id)
        .lifecycle_event_hook_execution_id(hook.lifecycle_event_hook_execution_id.reveal())
        .status(LifecycleEventStatus::from(answer.as_str()))
        .send()
        .await
        .err()
        .map(AwsFailure::from);
    match refusal {
        None => Ok(Delivery::Accepted),
        Some(refusal) if refusal.code() == Some("LifecycleEventAlreadyCompletedException") => {
            Ok(Delivery::AlreadyAnswered)
        }
        Some(refusal) => Err(refusal),
    }
}
