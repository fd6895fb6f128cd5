//! CodeDeploy's hook: starts the execution that creates the invalidations, waits for them and reports the status.
//!
//! If it cannot start the execution, it reports a status itself, per `OnInvalidationFailure`, so that no deployment waits for an
//! execution that does not exist. If the execution may exist, because a response was lost, or if CodeDeploy does not
//! accept that status, it sends the event to the queue of pending reports: `report-status` looks for the execution before it
//! reports. If nobody accepts anything, the function fails: Lambda retries an asynchronous invocation, and then sends the event to
//! the same queue.
//!
//! An engineer can invoke it, too: see [`manual`].

pub mod event;
pub mod manual;
pub mod pending_report;
mod retries;
pub mod settings;

use std::time::Duration;

use aws_config::SdkConfig;
use execution::{Start, StartError, name, settings::InvalidSettings, start, targets::NoTargets};
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use shared::{
    aws::{AwsFailure, OPERATION_TIMEOUT},
    codedeploy::{self, HookStatus, ReportOutcome},
    errors,
    hook::Hook,
    invalidation::InvalidationBatch,
};

use crate::{
    event::{Event, InvalidEvent},
    retries::{UnparsableResponse, patient, unlimited},
    settings::Settings,
};

/// The timeout of the hook function (`HookFunction.Timeout` in the template): longer than the others', so that a deployment does
/// not fail because Step Functions is not available for twenty seconds.
pub const HOOK_TIMEOUT: Duration = Duration::from_secs(54);
/// The part of it that `GetDeployment`, the report per `OnInvalidationFailure` and the message to the queue do not need.
pub const START_TIMEOUT: Duration = HOOK_TIMEOUT
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(Duration::from_secs(1));
// A shorter disturbance must not leave a deployment without its execution.
const _: () = assert!(START_TIMEOUT.as_secs() > 20);

/// The AWS services this function calls.
pub struct Clients {
    /// Step Functions, which every invocation calls.
    pub sfn: aws_sdk_sfn::Client,
    /// For the clients that are made when they are needed: hardly any invocation needs them, and every cold start would take
    /// longer.
    pub config: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment. They retry for as long as the function's timeout allows.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let sfn = aws_sdk_sfn::config::Builder::from(&patient(config, START_TIMEOUT))
            .retry_partition(unlimited())
            .retry_classifier(UnparsableResponse);
        Self {
            sfn: aws_sdk_sfn::Client::from_conf(sfn.build()),
            config: config.clone(),
        }
    }

    fn codedeploy(&self) -> aws_sdk_codedeploy::Client {
        aws_sdk_codedeploy::Client::new(&self.config)
    }

    fn patient_codedeploy(&self) -> aws_sdk_codedeploy::Client {
        let config = patient(&self.config, OPERATION_TIMEOUT);
        let config = aws_sdk_codedeploy::config::Builder::from(&config)
            .retry_partition(unlimited())
            .retry_classifier(UnparsableResponse);
        aws_sdk_codedeploy::Client::from_conf(config.build())
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }
}

/// What the function did.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome")]
pub enum Outcome {
    /// There is an execution. For a hook, it reports a status when it ends.
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
    /// No execution could be started, although one may exist, or CodeDeploy did not accept a status; `report-status` reports if
    /// there is none.
    Queued {
        /// Why, and what to do next.
        reason: String,
    },
    /// What an execution would invalidate; none was started.
    DryRun {
        /// As the execution input has it.
        invalidations: Vec<InvalidationBatch>,
        /// Which setting says so.
        reason: String,
    },
}

/// Why the hook has no execution, no status and no message in the queue; or why no execution was started manually.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The event is not one of CodeDeploy's, and not one of a manual invocation.
    #[error(transparent)]
    InvalidHookEvent(#[from] InvalidEvent),
    /// Neither CodeDeploy accepted a status, nor SQS a message.
    #[error(
        "no status could be reported for deployment {deployment_id}: {reason}. The event could not be sent to the queue of pending reports either: {source}. Lambda retries an asynchronous invocation. If the deployment still waits after five minutes, stop it: `aws deploy stop-deployment --deployment-id {deployment_id}` (docs/TROUBLESHOOTING.md)"
    )]
    StatusNotReported {
        /// The deployment that waits.
        deployment_id: String,
        /// Why no execution could be started, and why CodeDeploy did not accept the status.
        reason: String,
        /// SQS's response, if there was one.
        source: AwsFailure,
    },
    /// No execution was started manually.
    #[error("no execution was started manually: {reason}")]
    ExecutionNotStarted {
        /// Why, and what to do next.
        reason: String,
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
        "invalid settings of the hook function: {0}. Correct the stack's parameters and redeploy the stack, then invoke the hook function with {{}} to invalidate. If the parameters are right, somebody has changed the function's environment variables: restore them in the Lambda console, because deploying the same parameters does not"
    )]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Targets(#[from] NoTargets),
    #[error(
        "CodeDeploy did not return the deployment: {0}. {advice}",
        advice = advice(.0)
    )]
    DeploymentNotRead(AwsFailure),
    #[error("{0}. {advice}", advice = .0.advice())]
    Start(#[from] StartError),
}

impl NotStarted {
    /// Whether the execution may exist: the response of Step Functions was lost, or an earlier delivery of the event
    /// started it.
    fn is_uncertain(&self) -> bool {
        match self {
            Self::DeploymentNotRead(failure) => failure.is_transient(),
            Self::Start(error) => error.is_transient(),
            Self::Settings(_) | Self::Targets(_) => false,
        }
    }
}

fn advice(failure: &AwsFailure) -> &'static str {
    failure.remedy().unwrap_or(if failure.is_transient() {
        "See the AWS Health Dashboard. If the execution does not exist, invoke the hook function with {\"targets\": \"<application>/<deployment group>\"} to invalidate"
    } else {
        "Nothing was invalidated. If access was denied, check that CodeDeployApplication and CodeDeployDeploymentGroup cover this deployment (* covers any), and that no permissions boundary or service control policy denies codedeploy:GetDeployment. Then invoke the hook function with {\"targets\": \"<application>/<deployment group>\"} to invalidate, or repeat the deployment"
    })
}

/// Starts the hook's execution. If it cannot, reports a status to CodeDeploy, or leaves that to the queue of pending reports.
/// For a manual invocation, starts an execution that reports to nobody, or fails.
///
/// # Errors
/// When the event is invalid, or none of that was possible.
pub async fn handle(
    clients: &Clients,
    settings: &Settings,
    event: Value,
    request_id: String,
) -> Result<Outcome, Error> {
    let hook = match Event::parse(&event)? {
        Event::Hook(hook) => hook,
        Event::Manual(event) => {
            return manual::handle(clients, settings, &event, &request_id).await;
        }
    };
    match start_for(clients, settings, &hook).await {
        Ok(outcome) => Ok(outcome),
        Err(not_started) => report(clients, settings, &hook, &event, &not_started).await,
    }
}

async fn start_for(
    clients: &Clients,
    settings: &Settings,
    hook: &Hook,
) -> Result<Outcome, NotStarted> {
    let invalidation = settings.invalidation.as_ref().map_err(Clone::clone)?;
    let targets = &invalidation.targets;
    let (batches, verify) = if let Some(batches) = targets.of_all() {
        (batches, settings.verifies_edge)
    } else {
        // It makes a difference which deployment group it is of.
        let codedeploy = clients.patient_codedeploy();
        let deployment = codedeploy::deployment(&codedeploy, &hook.deployment_id).await;
        let deployment = deployment.map_err(NotStarted::DeploymentNotRead)?;
        (targets.of(deployment.targets_key())?, false)
    };
    let execution_name = name::of_hook(hook);
    let machine = &invalidation.state_machine_arn;
    let start = start(
        &clients.sfn,
        machine,
        &execution_name,
        Some(hook),
        batches,
        verify,
    )
    .await?;
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
    not_started: &NotStarted,
) -> Result<Outcome, Error> {
    let deployment_id = hook.deployment_id.as_str();
    let mut reason = not_started.to_string();
    let mut not_queued = None;
    if not_started.is_uncertain() {
        match queue(clients, settings, event, &reason).await {
            Ok(()) => {
                log_unknown(hook, None, &reason);
                return Ok(Outcome::Queued { reason });
            }
            Err(failure) => {
                reason = format!(
                    "{reason}. The queue of pending reports did not accept the event: {failure}"
                );
                not_queued = Some(failure);
            }
        }
    }
    let status = settings.on_invalidation_failure.status();
    let outcome = codedeploy::report(&clients.codedeploy(), hook, status).await;
    let (reported_status, reason) = match &outcome {
        Ok(ReportOutcome::Accepted) => (Some(status), reason),
        Ok(ReportOutcome::AlreadyCompleted) => {
            (None, format!("{reason}. The hook was already completed"))
        }
        Err(failure) => (
            None,
            format!("{reason}. Status {status} could not be reported: {failure}"),
        ),
    };
    log_unknown(hook, reported_status, &reason);
    if outcome.is_ok() {
        return Ok(Outcome::Reported {
            reported_status,
            reason,
        });
    }
    let source = match not_queued {
        Some(failure) => failure,
        None => match queue(clients, settings, event, &reason).await {
            Ok(()) => return Ok(Outcome::Queued { reason }),
            Err(failure) => failure,
        },
    };
    Err(Error::StatusNotReported {
        deployment_id: deployment_id.to_owned(),
        reason,
        source,
    })
}

/// `ExecutionNotStartedAlarm` counts the lines in which `execution_started` is false.
fn log_unknown(hook: &Hook, reported_status: Option<HookStatus>, reason: &str) {
    let deployment_id = &hook.deployment_id;
    tracing::error!(
        execution_name = name::of_hook(hook),
        deployment_id,
        execution_started = false,
        reported_status = reported_status.map(HookStatus::as_str),
        "no execution is known for deployment {deployment_id}: {reason}",
    );
}

async fn queue(
    clients: &Clients,
    settings: &Settings,
    event: &Value,
    reason: &str,
) -> Result<(), AwsFailure> {
    let queue_url = &settings.pending_reports_queue_url;
    pending_report::send(&clients.sqs(), queue_url, event, reason).await
}
