//! The events that the hook function is invoked with.

use serde_json::Value;
use shared::{
    document::{self, InvalidDocument},
    hook::{Hook, HookEvent},
};

use crate::manual::ManualEvent;

/// An event that the hook function is invoked with.
#[derive(Debug)]
pub enum Event {
    /// From CodeDeploy: a hook waits for a status.
    Hook(Hook),
    /// From an engineer or a script.
    Manual(ManualEvent),
}

/// An event that is neither.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEvent {
    /// It is the event of an Amazon ECS lifecycle hook.
    #[error(
        "this is the event of an Amazon ECS lifecycle hook, and this function is for CodeDeploy's hooks. In the lifecycle hook of the ECS service, use the stack's output EcsHookFunctionArn instead (docs/wiring)"
    )]
    OfEcs,
    /// It doesn't have CodeDeploy's fields, or those of a manual invocation.
    #[error(
        "{0}. CodeDeploy sends DeploymentId and LifecycleEventHookExecutionId, both strings. To start an execution manually, use {{}}, and to see what it would invalidate, {{\"dryRun\": true}}"
    )]
    Document(#[from] InvalidDocument),
}

impl Event {
    /// Parses an event.
    ///
    /// # Errors
    /// When it is neither CodeDeploy's nor that of a manual invocation.
    pub fn parse(event: &Value) -> Result<Self, InvalidEvent> {
        let has = |field| event.get(field).is_some();
        if has("lifecycleStage") {
            return Err(InvalidEvent::OfEcs);
        }
        if has("DeploymentId") || has("LifecycleEventHookExecutionId") {
            let event: HookEvent = document::parse("the hook event", event)?;
            Ok(Self::Hook(event.into()))
        } else {
            Ok(Self::Manual(document::parse("the event", event)?))
        }
    }
}
