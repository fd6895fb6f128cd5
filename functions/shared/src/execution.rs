//! The name of a hook's execution.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use crate::hook::Hook;

/// How much of a deployment's id is in an execution's name, which has at most 80 characters (Step Functions API,
/// `StartExecution`).
const MAX_DEPLOYMENT_ID_CHARACTERS: usize = 55;
/// How much of the hash is in it: 96 bits, so that two hooks never have the same name.
const HASH_BYTES: usize = 12;

/// The name of a hook's execution: always the same for one hook, and different for any other. It starts with the deployment's
/// id, so that an engineer finds it in the console.
#[must_use]
pub fn name(hook: &Hook) -> String {
    let deployment_id: String = hook
        .deployment_id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(MAX_DEPLOYMENT_ID_CHARACTERS)
        .collect();
    let hash = Sha256::new()
        .chain_update(hook.deployment_id.len().to_be_bytes())
        .chain_update(&hook.deployment_id)
        .chain_update(hook.lifecycle_event_hook_execution_id.expose_secret())
        .finalize();
    format!("{deployment_id}-{}", hex::encode(&hash[..HASH_BYTES]))
}
