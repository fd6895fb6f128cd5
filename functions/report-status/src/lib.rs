//! The states `ReportSucceeded` and `ReportFailed`: reports to CodeDeploy how the invalidations ended.
//!
//! What the state machine could not report ends here too, through a queue that repeats it for most of the hour: the ends of
//! executions (EventBridge), and hook events for which no execution could be started. That CodeDeploy's hook is already
//! completed is fine everywhere.

pub mod event;

use aws_config::SdkConfig;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    codedeploy::{self, HookStatus, ReportOutcome},
    document::InvalidDocument,
    errors,
    failure_action::FailureAction,
};

use crate::event::Report;

/// The AWS services this function calls.
pub struct Clients {
    /// For the report.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// To describe an execution, where an event does not say enough of it. The client is made then: hardly any invocation
    /// needs it, and every start would wait for it.
    pub sfn: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            codedeploy: aws_sdk_codedeploy::Client::new(config),
            sfn: config.clone(),
        }
    }
}

/// How the invalidations ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InvalidationResult {
    /// CloudFront has said `Completed` for every one.
    Completed,
    /// One failed, or nobody can say.
    Failed,
    /// None failed, but one was still in progress at the deadline.
    TimedOut,
}

/// What happens to the deployment when the invalidations did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureActions {
    /// For [`InvalidationResult::Failed`].
    pub on_invalidation_failure: FailureAction,
    /// For [`InvalidationResult::TimedOut`].
    pub on_invalidation_timeout: FailureAction,
}

impl FailureActions {
    /// Reads both from the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            on_invalidation_failure: FailureAction::from_env(
                FailureAction::ON_INVALIDATION_FAILURE,
            ),
            on_invalidation_timeout: FailureAction::from_env(
                FailureAction::ON_INVALIDATION_TIMEOUT,
            ),
        }
    }

    fn decide(self, result: InvalidationResult) -> (HookStatus, String) {
        match result {
            InvalidationResult::Completed => (
                HookStatus::Succeeded,
                "all invalidations are completed".to_owned(),
            ),
            InvalidationResult::Failed => (
                self.on_invalidation_failure.status(),
                format!(
                    "OnInvalidationFailure is {}",
                    self.on_invalidation_failure.as_str()
                ),
            ),
            InvalidationResult::TimedOut => (
                self.on_invalidation_timeout.status(),
                format!(
                    "OnInvalidationTimeout is {}",
                    self.on_invalidation_timeout.as_str()
                ),
            ),
        }
    }
}

/// What was reported to CodeDeploy.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The deployment whose hook it was; none when no deployment waits.
    pub deployment_id: Option<String>,
    /// The status that was recorded; none when no deployment waits, or its hook was already completed.
    pub reported_status: Option<HookStatus>,
    /// All of it in a sentence.
    pub summary: String,
}

/// Why nothing was reported. The variants' names are the error names that the state machine knows.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The event is none that this function knows.
    #[error(
        "{0}. Start executions without `hook`, or with both of its ids (to try the function, see sam/events); if a deployment waits, report manually (docs/failures.md)"
    )]
    InvalidInput(#[from] InvalidDocument),
    /// CodeDeploy throttles, fails or does not respond. Retried.
    #[error(
        "CodeDeploy could not accept status {status} for deployment {deployment_id}: {source}. See the AWS Health Dashboard; if the deployment still waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/failures.md)"
    )]
    CodeDeployUnavailable {
        /// The deployment that waits.
        deployment_id: String,
        /// The status that was to be reported.
        status: HookStatus,
        /// What came back, if anything did.
        source: AwsFailure,
    },
    /// CodeDeploy rejects the status. Not retryable.
    #[error(
        "CodeDeploy rejected status {status} for deployment {deployment_id}: {source}. {}; if the deployment still waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/failures.md)",
        source.remedy().unwrap_or("Check the hook's ids and the stack's CodeDeployApplication and CodeDeployDeploymentGroup parameters")
    )]
    CodeDeployRejected {
        /// The deployment that waits.
        deployment_id: String,
        /// The status that was to be reported.
        status: HookStatus,
        /// CodeDeploy's response.
        source: AwsFailure,
    },
    /// Step Functions does not say what has to be known about an execution.
    #[error(
        "execution {execution_arn} could not be described: {source}. If a deployment waits, report manually: `aws deploy put-lifecycle-event-hook-execution-status` (docs/failures.md)"
    )]
    ExecutionUnreadable {
        /// The execution.
        execution_arn: String,
        /// What Step Functions said.
        source: AwsFailure,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::report(&error)
    }
}

/// Reports to CodeDeploy what the event and the failure actions say. `state_machine_arn` names the machine whose executions
/// invalidate.
///
/// # Errors
/// When nothing could be reported, and a deployment waits.
pub async fn handle(
    clients: &Clients,
    actions: FailureActions,
    state_machine_arn: &str,
    event: Value,
) -> Result<Output, Error> {
    let Report {
        hook,
        result,
        was_started,
    } = event::read(&clients.sfn, state_machine_arn, &event).await?;
    let Some(hook) = hook else {
        let summary = "No deployment waits for this execution; nothing to report.".to_owned();
        tracing::info!("{summary}");
        return Ok(Output {
            deployment_id: None,
            reported_status: None,
            summary,
        });
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
                "The hook of deployment {deployment_id} was already completed; {status} was not recorded: {reason}."
            ),
        ),
    };
    // `execution_started` is what the alarm ExecutionNotStarted counts.
    tracing::info!(
        deployment_id,
        result = ?result,
        execution_started = was_started,
        reported_status = reported_status.map(HookStatus::as_str),
        "{summary}"
    );
    Ok(Output {
        deployment_id: Some(deployment_id),
        reported_status,
        summary,
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
