//! The states `ReportSucceeded` and `ReportFailed`: tells CodeDeploy how the purge went.
//!
//! Both safety nets end here too, through a queue that repeats them for most of the hour: the EventBridge rule for
//! executions that end without having reported, and the entry function's failure destination. That CodeDeploy already has
//! an answer is fine everywhere.

pub mod event;

use aws_config::SdkConfig;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    codedeploy::{self, Answer, Delivery},
    document::InvalidDocument,
    errors,
    policy::Policy,
};

use crate::event::Report;

/// The AWS services this function calls.
pub struct Clients {
    /// For the answer.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// To look up an execution: its input, where an event came without it, or whether there is one at all. The client is
    /// made then: hardly any run needs it, and every start would wait for it.
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

/// How the purge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purge {
    /// CloudFront has said `Completed` for every invalidation.
    Completed,
    /// It failed, or nobody can say.
    Failed,
    /// It was still in progress at the deadline.
    Overdue,
}

/// What an unfinished purge does to the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policies {
    /// For [`Purge::Failed`].
    pub on_purge_failed: Policy,
    /// For [`Purge::Overdue`].
    pub on_purge_overdue: Policy,
}

impl Policies {
    /// Reads both from the environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            on_purge_failed: Policy::from_env(Policy::ON_PURGE_FAILED),
            on_purge_overdue: Policy::from_env(Policy::ON_PURGE_OVERDUE),
        }
    }

    fn decide(self, purge: Purge) -> (Answer, String) {
        match purge {
            Purge::Completed => (Answer::Succeeded, "the purge is completed".to_owned()),
            Purge::Failed => (
                self.on_purge_failed.answer(),
                format!("OnPurgeFailed is {}", self.on_purge_failed.as_str()),
            ),
            Purge::Overdue => (
                self.on_purge_overdue.answer(),
                format!("OnPurgeOverdue is {}", self.on_purge_overdue.as_str()),
            ),
        }
    }
}

/// What CodeDeploy was told.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The deployment that waited for it; none when nobody did.
    pub deployment_id: Option<String>,
    /// What it was told; none when nobody waited, or it had an answer before.
    pub told: Option<Answer>,
    /// All of it in a sentence.
    pub summary: String,
}

/// Why CodeDeploy is left without an answer. The variants' names are the error names that the state machine knows.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The event is none that this function knows.
    #[error("{0}. To try the function by hand, start from sam/events/report-status.*.json")]
    InvalidInput(#[from] InvalidDocument),
    /// CodeDeploy is throttling, failing or unreachable; that passes.
    #[error(
        "CodeDeploy could not take {answer} for deployment {deployment_id}: {source}. See the AWS Health Dashboard; if the deployment still waits, run `aws deploy put-lifecycle-event-hook-execution-status`"
    )]
    CodeDeployUnavailable {
        /// The deployment that waits.
        deployment_id: String,
        /// What it was to be told.
        answer: Answer,
        /// What came back, if anything did.
        source: AwsFailure,
    },
    /// CodeDeploy does not take it, and will not.
    #[error(
        "CodeDeploy refuses {answer} for deployment {deployment_id}: {source}. Check the hook ids and the stack's CodeDeployApplication and CodeDeployDeploymentGroup parameters; if the deployment still waits, run `aws deploy put-lifecycle-event-hook-execution-status`"
    )]
    CodeDeployRefused {
        /// The deployment that waits.
        deployment_id: String,
        /// What it was to be told.
        answer: Answer,
        /// CodeDeploy's words.
        source: AwsFailure,
    },
    /// Step Functions does not say what the safety net has to know about an execution.
    #[error(
        "execution {execution_arn} could not be looked up: {source}. If a deployment waits, run `aws deploy put-lifecycle-event-hook-execution-status`"
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

/// Tells CodeDeploy what the event and the policies say. `state_machine_arn` names the machine whose executions purge.
///
/// # Errors
/// When CodeDeploy is left without an answer.
pub async fn handle(
    clients: &Clients,
    policies: Policies,
    state_machine_arn: &str,
    event: Value,
) -> Result<Output, Error> {
    let Report { hook, purge } = event::read(&clients.sfn, state_machine_arn, &event).await?;
    let Some(hook) = hook else {
        tracing::info!("nobody has to be told");
        return Ok(Output {
            deployment_id: None,
            told: None,
            summary: "No deployment waits for this execution.".to_owned(),
        });
    };
    let (answer, reason) = policies.decide(purge);
    let delivery = match codedeploy::tell(&clients.codedeploy, &hook, answer).await {
        Ok(delivery) => delivery,
        Err(source) => return Err(explain(source, hook.deployment_id, answer)),
    };
    let deployment_id = hook.deployment_id;
    let (told, summary) = match delivery {
        Delivery::Accepted => (
            Some(answer),
            format!("CodeDeploy was told {answer} for deployment {deployment_id}: {reason}."),
        ),
        Delivery::AlreadyAnswered => (
            None,
            format!(
                "Deployment {deployment_id} already had an answer; this one would have been {answer}: {reason}."
            ),
        ),
    };
    tracing::info!(
        deployment.id = deployment_id,
        purge.result = ?purge,
        codedeploy.told = told.map(Answer::as_str),
        "{summary}"
    );
    Ok(Output {
        deployment_id: Some(deployment_id),
        told,
        summary,
    })
}

fn explain(source: AwsFailure, deployment_id: String, answer: Answer) -> Error {
    if source.is_transient() {
        Error::CodeDeployUnavailable {
            deployment_id,
            answer,
            source,
        }
    } else {
        Error::CodeDeployRefused {
            deployment_id,
            answer,
            source,
        }
    }
}
