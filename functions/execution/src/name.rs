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

/// The name of an execution: always the same for one identity, and different for any other. It starts with `readable`, so that
/// an engineer finds it in the console.
#[must_use]
pub fn of(readable: &str, [resource, occasion]: [&str; 2]) -> String {
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
