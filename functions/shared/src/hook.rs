//! The CodeDeploy hook that waits for a status.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::document;

/// A run of a CodeDeploy lifecycle hook. It waits, for at most an hour, for the status `Succeeded` or `Failed`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// CodeDeploy's id of the deployment, for example `d-A1B2C3D4E`.
    #[serde(deserialize_with = "document::non_empty_text")]
    pub deployment_id: String,
    /// CodeDeploy's id of this run of the hook, about 300 base64 characters. Whoever has it can complete the hook, so its type
    /// keeps it out of every `Debug` output.
    #[serde(serialize_with = "expose", deserialize_with = "secret")]
    pub lifecycle_event_hook_execution_id: SecretString,
}

/// The event that CodeDeploy invokes a hook function with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HookEvent {
    #[serde(deserialize_with = "document::non_empty_text")]
    deployment_id: String,
    #[serde(deserialize_with = "secret")]
    lifecycle_event_hook_execution_id: SecretString,
}

impl From<HookEvent> for Hook {
    fn from(event: HookEvent) -> Self {
        Self {
            deployment_id: event.deployment_id,
            lifecycle_event_hook_execution_id: event.lifecycle_event_hook_execution_id,
        }
    }
}

/// For the execution's input, from which the report is made.
fn expose<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    document::non_empty_text(deserializer).map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_id_is_in_the_document_and_not_in_any_debug_output() {
        let secret = "eyJlbmNyeXB0ZWQ=";
        let event =
            serde_json::json!({ "DeploymentId": "d-1", "LifecycleEventHookExecutionId": secret });
        let event: HookEvent = serde_json::from_value(event).unwrap();
        assert!(!format!("{event:?}").contains(secret));
        let hook = Hook::from(event);
        assert!(!format!("{hook:?}").contains(secret));
        let document = serde_json::to_value(hook).unwrap();
        assert_eq!(document["lifecycleEventHookExecutionId"], secret);
    }
}
