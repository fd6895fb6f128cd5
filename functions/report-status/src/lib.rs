//! The states `ReportSucceeded` and `ReportFailed`: reports the status of a hook to CodeDeploy.
//!
//! It also reports what the state machine could not report. The queue of pending reports delivers that once a minute for most
//! of CodeDeploy's hour: executions that did not succeed (from EventBridge), and hook events for which there may be no
//! execution. A hook that is already completed is not an error.

pub mod event;
pub mod report;

use aws_config::SdkConfig;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    codedeploy::{self, HookStatus, ReportOutcome},
    document::InvalidDocument,
    errors,
    failure_action::FailureActions,
    queue::{ItemFailure, Message},
};

use crate::{event::Event, report::Report};

/// The AWS services this function calls.
pub struct Clients {
    /// CodeDeploy, which every invocation calls.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// For the clients that are made when they are needed.
    pub config: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            codedeploy: aws_sdk_codedeploy::Client::new(config),
            config: config.clone(),
        }
    }

    /// Step Functions. Hardly any invocation needs it, and every cold start would take longer.
    fn sfn(&self) -> aws_sdk_sfn::Client {
        aws_sdk_sfn::Client::new(&self.config)
    }
}

/// What was reported to CodeDeploy.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The deployment; none if there was nothing to report.
    pub deployment_id: Option<String>,
    /// The status that CodeDeploy recorded; none if there was nothing to report, or the hook was already completed.
    pub reported_status: Option<HookStatus>,
    /// The same in a sentence.
    pub summary: String,
    /// Lambda's partial batch response to a message from the queue: whether the queue must deliver it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_item_failures: Option<Vec<ItemFailure>>,
}

/// Why no status was reported. `Retry` and `Catch` in the state machine match the names of the variants.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The event is none of those that reach this function.
    #[error(
        "{0}. If a deployment waits, report manually (docs/TROUBLESHOOTING.md). Otherwise start the execution without `hook`. A `hook` must have deploymentId and lifecycleEventHookExecutionId"
    )]
    InvalidInput(#[from] InvalidDocument),
    /// CodeDeploy throttles, fails or does not respond. Retried.
    #[error(
        "CodeDeploy did not accept status {status} for deployment {deployment_id}: {source}. See the AWS Health Dashboard; if the deployment still waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/TROUBLESHOOTING.md)"
    )]
    CodeDeployUnavailable {
        /// The deployment that waits.
        deployment_id: String,
        /// The status that was to be reported.
        status: HookStatus,
        /// CodeDeploy's response, if there was one.
        source: AwsFailure,
    },
    /// CodeDeploy rejects the status. Not retryable.
    #[error(
        "CodeDeploy rejected status {status} for deployment {deployment_id}: {source}. {}; if the deployment still waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/TROUBLESHOOTING.md)",
        source.remedy().unwrap_or("Check DeploymentId, LifecycleEventHookExecutionId and the stack's CodeDeployApplication and CodeDeployDeploymentGroup parameters")
    )]
    CodeDeployRejected {
        /// The deployment that waits.
        deployment_id: String,
        /// The status that was to be reported.
        status: HookStatus,
        /// CodeDeploy's response.
        source: AwsFailure,
    },
    /// Step Functions did not describe an execution that has to be known.
    #[error(
        "DescribeExecution failed for {execution_arn}: {source}. The queue repeats this each minute. After 15 minutes the status that OnInvalidationFailure selects is reported, unless the execution's input was too large for the event: then, if a deployment waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/TROUBLESHOOTING.md)"
    )]
    ExecutionUnreadable {
        /// The execution.
        execution_arn: String,
        /// Step Functions' response, if there was one.
        source: AwsFailure,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// Reports the status that follows from the event and the failure actions. `state_machine_arn` is the state machine that the hook
/// function starts.
///
/// # Errors
/// When the event is invalid, or a deployment waits and no status could be reported.
pub async fn handle(
    clients: &Clients,
    actions: FailureActions,
    state_machine_arn: &str,
    event: Value,
) -> Result<Output, Error> {
    let Report {
        execution_name,
        hook,
        result,
        execution_started,
        is_final,
    } = Report::new(clients, state_machine_arn, Event::parse(&event)?).await?;
    let message = Message::parse(&event).ok();
    let batch_item_failures = message.map(|message| {
        let failure = (!is_final).then(|| message.into());
        failure.into_iter().collect()
    });
    let hook = match hook {
        Ok(hook) => hook,
        Err(summary) => {
            tracing::info!(execution_name, execution_started, "{summary}");
            return Ok(Output {
                deployment_id: None,
                reported_status: None,
                summary,
                batch_item_failures,
            });
        }
    };
    let (status, reason) = actions.decide(result);
    let outcome = match codedeploy::report(&clients.codedeploy, &hook, status).await {
        Ok(outcome) => outcome,
        Err(source) => return Err(explain(source, hook.deployment_id, status)),
    };
    let deployment_id = hook.deployment_id;
    let (reported_status, summary) = match outcome {
        ReportOutcome::Accepted => (
            Some(status),
            format!("Reported {status} to CodeDeploy for deployment {deployment_id}: {reason}."),
        ),
        ReportOutcome::AlreadyCompleted => (
            None,
            format!(
                "The hook of deployment {deployment_id} was already completed, perhaps by an earlier attempt; this report ({status}: {reason}) changed nothing."
            ),
        ),
    };
    // ExecutionNotStartedAlarm counts the lines in which `execution_started` is false.
    tracing::info!(
        execution_name,
        deployment_id,
        result = ?result,
        execution_started,
        reported_status = reported_status.map(HookStatus::as_str),
        "{summary}"
    );
    Ok(Output {
        deployment_id: Some(deployment_id),
        reported_status,
        summary,
        batch_item_failures,
    })
}

fn explain(source: AwsFailure, deployment_id: String, status: HookStatus) -> Error {
    if source.is_transient() {
        Error::CodeDeployUnavailable {
            deployment_id,
            status,
            source,
        }
    } else {
        Error::CodeDeployRejected {
            deployment_id,
            status,
            source,
        }
    }
}
