//! The CodeDeploy hook that waits for an answer.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document;

/// A CodeDeploy lifecycle hook that waits, for at most an hour, to be told `Succeeded` or `Failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// CodeDeploy's id of the deployment, for example `d-A1B2C3D4E`.
    #[serde(deserialize_with = "document::non_empty_text")]
    pub deployment_id: String,
    /// Names this run of the hook.
    pub lifecycle_event_hook_execution_id: HookExecutionId,
}

/// CodeDeploy's id of one hook run, about 300 base64 characters. Whoever holds it can answer for the hook, so neither
/// `Debug` nor any log line shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HookExecutionId(#[serde(deserialize_with = "document::non_empty_text")] String);

impl HookExecutionId {
    /// The id itself, for a request to CodeDeploy.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for HookExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookExecutionId(…)")
    }
}

/// The event that CodeDeploy invokes a hook function with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HookEvent {
    #[serde(deserialize_with = "document::non_empty_text")]
    deployment_id: String,
    lifecycle_event_hook_execution_id: HookExecutionId,
}

impl From<HookEvent> for Hook {
    fn from(event: HookEvent) -> Self {
        Self {
            deployment_id: event.deployment_id,
            lifecycle_event_hook_execution_id: event.lifecycle_event_hook_execution_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_id_is_not_in_any_debug_output() {
        let secret = "eyJlbmNyeXB0ZWQ=";
        let event =
            serde_json::json!({ "DeploymentId": "d-1", "LifecycleEventHookExecutionId": secret });
        let event: HookEvent = serde_json::from_value(event).unwrap();
        assert!(!format!("{event:?}").contains(secret));
        let hook = Hook::from(event);
        assert!(!format!("{hook:?}").contains(secret));
        assert_eq!(hook.lifecycle_event_hook_execution_id.reveal(), secret);
    }
}
