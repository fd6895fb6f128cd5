//! Invocations by an engineer or a script: no hook waits for a status.

use execution::{
    Start, start,
    targets::{NoTargets, Targets},
};
use serde::Deserialize;
use shared::invalidation::InvalidationBatch;

use crate::{Clients, Error, NotStarted, Outcome, Settings};

/// The event of a manual invocation: `{}` invalidates all that the stack is configured for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManualEvent {
    /// Whether to return what would be invalidated, and not to call any other service.
    dry_run: bool,
    /// A key of the stack's `Targets` parameter: only what its deployments invalidate.
    targets: Option<String>,
}

/// Starts an execution that reports to no deployment. The request's id is in its name: if Lambda repeats an asynchronous invocation,
/// there is still only one.
///
/// # Errors
/// When none was started.
pub(crate) async fn handle(
    clients: &Clients,
    settings: &Settings,
    event: &ManualEvent,
    request_id: &str,
) -> Result<Outcome, Error> {
    let outcome = invalidate(clients, settings, event, request_id).await;
    outcome.map_err(|not_started| {
        if !event.dry_run {
            // ExecutionNotStartedAlarm counts the lines in which it is false. The error says why.
            tracing::error!(execution_started = false, "a manual invocation failed");
        }
        let reason = not_started.to_string();
        Error::ExecutionNotStarted { reason }
    })
}

async fn invalidate(
    clients: &Clients,
    settings: &Settings,
    event: &ManualEvent,
    request_id: &str,
) -> Result<Outcome, NotStarted> {
    let invalidation = settings.invalidation.as_ref().map_err(Clone::clone)?;
    let (invalidations, reason) = select(&invalidation.targets, event.targets.as_deref())?;
    if event.dry_run {
        return Ok(Outcome::DryRun {
            invalidations,
            reason,
        });
    }
    let execution_name = format!("manual-{request_id}");
    let machine = &invalidation.state_machine_arn;
    let start = start(
        &clients.sfn,
        machine,
        &execution_name,
        None,
        &invalidations,
        false,
    )
    .await?;
    tracing::info!(
        execution_name,
        execution_started = true,
        "execution {execution_name} was started manually",
    );
    Ok(Outcome::Started {
        execution_name,
        already_started: start == Start::AlreadyStarted,
    })
}

/// What to invalidate, and why.
fn select(
    targets: &Targets,
    key: Option<&str>,
) -> Result<(Vec<InvalidationBatch>, String), NoTargets> {
    if let Some(key) = key {
        let reason = if targets.has(key) {
            format!("the deployments of {key:?} invalidate this")
        } else {
            format!(
                "Targets has no key {key:?}: this is what deployments without a key of their own invalidate"
            )
        };
        return Ok((targets.of(key)?.to_vec(), reason));
    }
    let reason = match targets.of_all() {
        Some(_) => "every deployment invalidates this",
        None => "the deployments of all keys of Targets together invalidate this",
    };
    Ok((targets.together(), reason.to_owned()))
}
