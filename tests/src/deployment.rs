//! The deployment that meets a case.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use execution::name;
use serde_json::{Value, json};
use shared::hook::{Hook, HookEvent};

use crate::{
    case::{Case, Trigger},
    interpreter::Engine,
};

/// A deployment in progress, and its hook. The id is that of CodeDeploy, or the last part of the ARN of an ECS service deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub id: String,
    pub hook_execution_id: String,
    pub event: Value,
    /// As the execution's input has it.
    pub hook: Hook,
    pub execution_name: String,
}

impl Deployment {
    /// That of a case, with ids in CodeDeploy's form.
    #[expect(clippy::unwrap_used, reason = "the event is made right here")]
    pub fn new(case: &Case, engine: Engine) -> Self {
        let second = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let (second, number) = (second.as_secs() & 0xF_FFFF, next_number());
        let id = match case.deployment {
            None => format!("d-{second:05X}{number:04X}"),
            Some(deployment) => format!("d-{deployment:03}{engine:?}"),
        };
        let hook_execution_id =
            format!("eyJlbmNyeXB0ZWREYXRhIjoi{id}{number}IiwibWF0ZXJpYWxTZXRTZXJpYWwiOjF9");
        let event = json!({
            "DeploymentId": id,
            "LifecycleEventHookExecutionId": hook_execution_id,
        });
        let hook = Hook::from(serde_json::from_value::<HookEvent>(event.clone()).unwrap());
        let execution_name = match &case.trigger {
            Trigger::Ecs(deployment) => deployment.execution_name(&id),
            Trigger::DeploymentSucceeded(_) => name::of_rollback(&id),
            _ => name::of_hook(&hook),
        };
        Self {
            id,
            hook_execution_id,
            event,
            hook,
            execution_name,
        }
    }

    /// The start of the caller reference of the invalidation with this index.
    pub fn caller_reference(&self, item: usize) -> String {
        format!("{}-{item}-", self.execution_name)
    }

    /// The text with what stands in it for something of this deployment: see [`Trigger::StartExecution`].
    pub fn filled_in(&self, text: &str) -> String {
        let id = self.id.replace('-', "");
        [
            ("$HOOK", json!(self.hook).to_string()),
            ("$DISTRIBUTION", format!("E{}", id.to_uppercase())),
            ("$TENANT", format!("dt_{id}")),
            ("$LARGE_PATHS", paths(66, 3900).to_string()),
            ("$MANY_PATHS", paths(3000, 10).to_string()),
            ("$MANY_TARGETS", many_targets().to_string()),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }
}

/// So many paths, each with so many characters and a number. `$LARGE_PATHS` are more than 248 KiB, which EventBridge takes:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
fn paths(count: usize, characters: usize) -> Value {
    (0..count)
        .map(|number| format!("/{}{number}", "x".repeat(characters)))
        .collect()
}

/// Batches of distributions and distribution tenants.
fn many_targets() -> Value {
    (0..50)
        .map(|number| match number % 2 {
            0 => json!({ "distributionId": format!("EMANY{number:09}"), "paths": ["/*"] }),
            _ => json!({ "distributionTenantId": format!("dt_many{number}"), "paths": ["/*"] }),
        })
        .collect()
}

/// Another number at each call.
pub(crate) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
