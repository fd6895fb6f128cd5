//! The names of executions.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use shared::hook::Hook;

/// How much of an execution's name an engineer can read. A name has at most 80 characters (Step Functions API,
/// `StartExecution`).
const MAX_READABLE_CHARACTERS: usize = 55;
/// How much of the hash is in it: 96 bits, so that two occasions never have the same name.
const HASH_BYTES: usize = 12;

/// The name of a hook's execution. It starts with the deployment's id.
#[must_use]
pub fn of_hook(hook: &Hook) -> String {
    let hook_id = hook.lifecycle_event_hook_execution_id.expose_secret();
    of(&hook.deployment_id, [&hook.deployment_id, hook_id])
}

/// The name of the execution after a rollback by CodeDeploy. It starts with the id of the deployment that rolled back.
#[must_use]
pub fn of_rollback(deployment_id: &str) -> String {
    of(
        &format!("{deployment_id}-rollback"),
        [deployment_id, "rollback"],
    )
}

/// The name of the execution at a stage of an Amazon ECS deployment. It starts with the id of the service deployment, the last
/// part of its ARN.
#[must_use]
pub fn of_ecs(service_deployment_arn: &str, stage: &str) -> String {
    let (service, id) = service_and_id(service_deployment_arn);
    of(&format!("{id}-{service}"), [service_deployment_arn, stage])
}

/// The name of the execution after an Amazon ECS deployment has rolled back. It starts like that of [`of_ecs`].
#[must_use]
pub fn of_ecs_rollback(service_deployment_arn: &str) -> String {
    let (service, id) = service_and_id(service_deployment_arn);
    let readable = format!("{id}-rollback-{service}");
    of(&readable, [service_deployment_arn, "rollback"])
}

fn service_and_id(service_deployment_arn: &str) -> (&str, &str) {
    let mut parts = service_deployment_arn.rsplit('/');
    let id = parts.next().unwrap_or_default();
    (parts.next().unwrap_or_default(), id)
}

/// Always the same for one resource and occasion, and different for any other. It starts with `readable`, so that an engineer finds
/// the execution in the console.
fn of(readable: &str, [resource, occasion]: [&str; 2]) -> String {
    let readable: String = readable
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(MAX_READABLE_CHARACTERS)
        .collect();
    let hash = Sha256::new()
        .chain_update(resource.len().to_be_bytes())
        .chain_update(resource)
        .chain_update(occasion)
        .finalize();
    format!("{readable}-{}", hex::encode(&hash[..HASH_BYTES]))
}
