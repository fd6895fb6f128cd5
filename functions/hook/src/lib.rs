//! Takes CodeDeploy's hook event and starts the execution that invalidates, waits and reports.
//!
//! Where it cannot, it reports to CodeDeploy itself, per `OnInvalidationFailure`: a deployment never waits for an execution
//! that does not exist. Where CodeDeploy does not accept that, it puts the event into the queue of pending reports. Only where
//! even that fails does it fail: Lambda retries an asynchronous invocation, and then puts the event into the same queue.

pub mod execution;
pub mod pending_report;
pub mod settings;

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
};

/// The AWS services this function calls.
pub struct Clients {
    /// For `StartExecution`.
    pub sfn: aws_sdk_sfn::Client,
    /// For what is done when no execution could be started. These clients are made then: hardly any invocation needs them,
    /// and every start would wait for them.
    pub others: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            sfn: execution::client(config),
            others: config.clone(),
        }
    }
}

/// What became of the hook.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome")]
pub enum Outcome {
    /// An execution invalidates and will report.
    #[serde(rename_all = "camelCase")]
    Started {
        /// The execution's name.
        execution_name: String,
        /// Whether an earlier delivery of the same event had started it.
        already_started: bool,
    },
    /// None could be started; CodeDeploy has a status.
    #[serde(rename_all = "camelCase")]
    Reported {
        /// The status that was recorded; none when the hook was already completed.
        reported_status: Option<HookStatus>,
        /// Why no execution could be started, and what to do.
        reason: String,
    },
    /// None could be started, and CodeDeploy did not accept a status: `report-status` repeats it.
    #[serde(rename_all = "camelCase")]
    Queued {
        /// Why, and what to do.
        reason: String,
    },
}

/// Why the hook was left without an execution, a status and a message in the queue.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// No deployment is known: the event lacks what a report needs.
    #[error(
        "{0}. CodeDeploy sends DeploymentId and LifecycleEventHookExecutionId, both strings; to try the function manually, start from sam/events/hook.json"
    )]
    InvalidHookEvent(#[from] InvalidDocument),
    /// Neither CodeDeploy nor the queue accepted anything.
    #[error(
        "no status could be reported for deployment {deployment_id}: {reason}. The queue of pending reports did not accept it either: {source}. Lambda retries if it was invoked asynchronously; if the deployment still waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/failures.md)"
    )]
    StatusNotReported {
        /// The deployment that waits.
        deployment_id: String,
        /// Why a report was needed here, and what became of it.
        reason: String,
        /// What SQS said.
        source: AwsFailure,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::report(&error)
    }
}

/// Why no execution could be started.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error(
        "invalid configuration of the hook function: {0}. Its environment variables are not as the stack sets them: set them again in the Lambda console, or deploy the stack with other parameters"
    )]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts the hook's execution, or sees to it that CodeDeploy gets a status where that cannot be.
///
/// # Errors
/// When there is no deployment to report to, or neither CodeDeploy nor the queue accepted anything.
pub async fn handle(
    clients: &Clients,
    settings: &Settings,
    event: Value,
) -> Result<Outcome, Error> {
    let hook = document::parse::<HookEvent>("the hook event", &event).map(Hook::from)?;
    match start(clients, settings, &hook).await {
        Ok(outcome) => Ok(outcome),
        Err(not_started) => {
            report(clients, settings, &hook, &event, &not_started.to_string()).await
        }
    }
}

async fn start(clients: &Clients, settings: &Settings, hook: &Hook) -> Result<Outcome, NotStarted> {
    let invalidation = settings.invalidation.as_ref().map_err(Clone::clone)?;
    let execution_name = shared::execution::name(hook);
    let start = execution::start(&clients.sfn, invalidation, &execution_name, hook).await?;
    let already_started = start == Start::AlreadyStarted;
    tracing::info!(
        deployment_id = hook.deployment_id,
        execution_name,
        execution_started = true,
        "execution {execution_name} invalidates for deployment {}",
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
    let codedeploy = aws_sdk_codedeploy::Client::new(&clients.others);
    let outcome = codedeploy::report(&codedeploy, hook, status).await;
    let (reported_status, reason) = match &outcome {
        Ok(ReportOutcome::Accepted) => (Some(status), not_started.to_owned()),
        Ok(ReportOutcome::AlreadyCompleted) => (
            None,
            format!("{not_started}; the hook was already completed"),
        ),
        Err(failure) => (
            None,
            format!("{not_started}; and status {status} could not be reported: {failure}"),
        ),
    };
    // `execution_started` is what the alarm ExecutionNotStarted counts.
    tracing::error!(
        deployment_id,
        execution_started = false,
        reported_status = reported_status.map(HookStatus::as_str),
        "nothing is invalidated for deployment {deployment_id}: {reason}",
    );
    if outcome.is_ok() {
        return Ok(Outcome::Reported {
            reported_status,
            reason,
        });
    }
    let queue_url = &settings.pending_reports_queue_url;
    match pending_report::send(&clients.others, queue_url, event, &reason).await {
        Ok(()) => Ok(Outcome::Queued { reason }),
        Err(source) => Err(Error::StatusNotReported {
            deployment_id: deployment_id.to_owned(),
            reason,
            source,
        }),
    }
}
