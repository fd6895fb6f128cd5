//! The name of the execution that takes care of a hook.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::hook::Hook;

/// Of an execution's name, at most 80 characters (Step Functions API, `StartExecution`): a deployment id's share…
const MAX_DEPLOYMENT_ID_CHARACTERS: usize = 55;
/// …and the hash's: 96 bits, so that two hooks never meet in one name.
const HASH_BYTES: usize = 12;

/// The name of a hook's execution: the same for the same hook, another for any other, and it starts with the
/// deployment's id for whoever looks for it in the console.
#[must_use]
pub fn name(hook: &Hook) -> String {
    let mut name: String = hook
        .deployment_id
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(MAX_DEPLOYMENT_ID_CHARACTERS)
        .collect();
    name.push('-');
    let hash = Sha256::new()
        .chain_update(hook.deployment_id.len().to_be_bytes())
        .chain_update(&hook.deployment_id)
        .chain_update(hook.lifecycle_event_hook_execution_id.reveal())
        .finalize();
    for byte in &hash[..HASH_BYTES] {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}
