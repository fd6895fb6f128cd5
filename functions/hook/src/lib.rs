//! CodeDeploy's hook: starts the execution that creates the invalidations, waits for them and reports the status.
//!
//! If it cannot start the execution, it reports a status itself, per `OnInvalidationFailure`, so that no deployment waits for an
//! execution that does not exist. If CodeDeploy does not accept that status, it sends the event to the queue of pending reports.
//! If SQS does not accept the message either, the function fails: Lambda retries an asynchronous invocation, and then sends the
//! event to the same queue.

pub mod execution;
pub mod pending_report;
mod retries;
pub mod settings;
pub mod targets;

use aws_config::SdkConfig;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    codedeploy::{self, HookStatus, ReportOutcome},
    document::{self, InvalidDocument},
    errors,
    hook::{Hook, HookEvent},
};

use crate::{
    execution::{Start, StartError},
    settings::{InvalidSettings, Settings},
    targets::UnknownTargets,
};

/// The AWS services this function calls.
pub struct Clients {
    /// Step Functions, which every invocation calls.
    pub sfn: aws_sdk_sfn::Client,
    /// For the clients that are made when they are needed: hardly any invocation needs them, and every cold start would take
    /// longer.
    pub config: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            sfn: execution::client(config),
            config: config.clone(),
        }
    }

    fn codedeploy(&self) -> aws_sdk_codedeploy::Client {
        aws_sdk_codedeploy::Client::new(&self.config)
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }
}

/// What the function did for the hook.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome")]
pub enum Outcome {
    /// There is an execution, which reports when it ends.
    #[serde(rename_all = "camelCase")]
    Started {
        /// The execution's name.
        execution_name: String,
        /// Whether an earlier invocation with the same event started it.
        already_started: bool,
    },
    /// No execution could be started; CodeDeploy has a status.
    #[serde(rename_all = "camelCase")]
    Reported {
        /// The status that CodeDeploy recorded; none if the hook was already completed.
        reported_status: Option<HookStatus>,
        /// Why no execution could be started, and what to do next.
        reason: String,
    },
    /// No execution could be started, and CodeDeploy did not accept a status; `report-status` retries the report.
    #[serde(rename_all = "camelCase")]
    Queued {
        /// Why, and what to do next.
        reason: String,
    },
}

/// Why the hook has no execution, no status and no message in the queue.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The event does not have the ids that a report needs.
    #[error(
        "{source}. CodeDeploy sends DeploymentId and LifecycleEventHookExecutionId, both strings. To invoke the function manually, use an event such as sam/events/hook.json{}",
        settings.as_ref().map(|problems| format!(". The function's settings are invalid, too: {problems}")).unwrap_or_default()
    )]
    InvalidHookEvent {
        /// What is wrong with the event.
        source: InvalidDocument,
        /// What is wrong with the settings, if anything is: `make verify` sends an invalid event to find that out.
        settings: Option<InvalidSettings>,
    },
    /// Neither CodeDeploy accepted a status, nor SQS a message.
    #[error(
        "no status could be reported for deployment {deployment_id}: {reason}. The event could not be sent to the queue of pending reports either: {source}. Lambda retries an asynchronous invocation; if the deployment still waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/TROUBLESHOOTING.md)"
    )]
    StatusNotReported {
        /// The deployment that waits.
        deployment_id: String,
        /// Why no execution could be started, and why CodeDeploy did not accept the status.
        reason: String,
        /// SQS's response, if there was one.
        source: AwsFailure,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// Why no execution could be started.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error(
        "invalid settings of the hook function: {0}. Correct the stack's parameters and deploy it, then start an execution manually. If the parameters are right, somebody has changed the function's environment variables: restore them in the Lambda console, because deploying the same parameters does not"
    )]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Targets(#[from] UnknownTargets),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts the hook's execution. If it cannot, reports a status to CodeDeploy, or sends the event to the queue of pending reports.
///
/// # Errors
/// When the event is invalid, or none of that was possible.
pub async fn handle(
    clients: &Clients,
    settings: &Settings,
    event: Value,
) -> Result<Outcome, Error> {
    let hook = document::parse::<HookEvent>("the hook event", &event).map(Hook::from);
    let hook = hook.map_err(|source| Error::InvalidHookEvent {
        source,
        settings: settings.invalidation.as_ref().err().cloned(),
    })?;
    match start(clients, settings, &hook).await {
        Ok(outcome) => Ok(outcome),
        Err(not_started) => {
            report(clients, settings, &hook, &event, &not_started.to_string()).await
        }
    }
}

async fn start(clients: &Clients, settings: &Settings, hook: &Hook) -> Result<Outcome, NotStarted> {
    let invalidation = settings.invalidation.as_ref().map_err(Clone::clone)?;
    let batches = invalidation.targets.of(hook, &clients.config).await?;
    let execution_name = shared::execution::name(hook);
    let state_machine = &invalidation.state_machine_arn;
    let start =
        execution::start(&clients.sfn, state_machine, &execution_name, hook, batches).await?;
    let already_started = start == Start::AlreadyStarted;
    tracing::info!(
        deployment_id = hook.deployment_id,
        execution_name,
        execution_started = true,
        already_started,
        "execution {execution_name} was started for deployment {}",
        hook.deployment_id,
    );
    Ok(Outcome::Started {
        execution_name,
        already_started,
    })
}

async fn report(
    clients: &Clients,
    settings: &Settings,
    hook: &Hook,
    event: &Value,
    not_started: &str,
) -> Result<Outcome, Error> {
    let deployment_id = hook.deployment_id.as_str();
    let status = settings.on_invalidation_failure.status();
    let outcome = codedeploy::report(&clients.codedeploy(), hook, status).await;
    let (reported_status, reason) = match &outcome {
        Ok(ReportOutcome::Accepted) => (Some(status), not_started.to_owned()),
        Ok(ReportOutcome::AlreadyCompleted) => (
            None,
            format!("{not_started}. The hook was already completed"),
        ),
        Err(failure) => (
            None,
            format!("{not_started}. Status {status} could not be reported: {failure}"),
        ),
    };
    // ExecutionNotStartedAlarm counts the lines in which `execution_started` is false.
    tracing::error!(
        execution_name = shared::execution::name(hook),
        deployment_id,
        execution_started = false,
        reported_status = reported_status.map(HookStatus::as_str),
        "no execution was started for deployment {deployment_id}: {reason}",
    );
    if outcome.is_ok() {
        return Ok(Outcome::Reported {
            reported_status,
            reason,
        });
    }
    let queue_url = &settings.pending_reports_queue_url;
    match pending_report::send(&clients.sqs(), queue_url, event, &reason).await {
        Ok(()) => Ok(Outcome::Queued { reason }),
        Err(source) => Err(Error::StatusNotReported {
            deployment_id: deployment_id.to_owned(),
            reason,
            source,
        }),
    }
}
