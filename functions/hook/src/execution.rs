//! The execution that takes care of a hook.

use std::fmt::Write;

use aws_sdk_sfn::Client;
use serde::Serialize;
use sha2::{Digest, Sha256};
use shared::{aws::AwsFailure, hook::Hook};

use crate::settings::{InvalidationBatch, Purge};

/// Of an execution's name, at most 80 characters (Step Functions API, `StartExecution`): a deployment id's share…
const MAX_DEPLOYMENT_ID_CHARACTERS: usize = 55;
/// …and the hash's: 96 bits, so that two hooks never meet in one name.
const HASH_BYTES: usize = 12;

/// What an execution is started with: all it needs, and the same for the same hook.
#[derive(Debug, Serialize)]
struct ExecutionInput<'a> {
    hook: &'a Hook,
    invalidations: &'a [InvalidationBatch],
}

/// Whether this delivery of the event started the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It did.
    Now,
    /// An earlier one had; the execution runs, or has already answered.
    Before,
}

/// Step Functions would not or could not start the execution.
#[derive(Debug, thiserror::Error)]
#[error(
    "Step Functions did not start an execution of {state_machine_arn}: {source}. Check that the stack is deployed whole, then invalidate by hand or deploy again"
)]
pub struct StartFailure {
    name: String,
    state_machine_arn: String,
    source: AwsFailure,
}

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

/// Starts the hook's execution, unless it has been before.
///
/// # Errors
/// When Step Functions does not take it, after the SDK's own retries.
pub async fn start(
    client: &Client,
    purge: &Purge,
    name: &str,
    hook: &Hook,
) -> Result<Start, StartFailure> {
    let input = ExecutionInput {
        hook,
        invalidations: &purge.invalidations,
    };
    let refusal = client
        .start_execution()
        .state_machine_arn(&purge.state_machine_arn)
        .name(name)
        .input(serde_json::json!(input).to_string())
        .send()
        .await
        .err()
        .map(AwsFailure::from);
    match refusal {
        None => Ok(Start::Now),
        // Step Functions returns a running execution of the same name and input as if it had just started it, and
        // this error for a closed one. Either way this hook has been taken care of.
        Some(refusal) if refusal.code() == Some("ExecutionAlreadyExists") => Ok(Start::Before),
        Some(source) => Err(StartFailure {
            name: name.to_owned(),
            state_machine_arn: purge.state_machine_arn.clone(),
            source,
        }),
    }
}
