//! Takes CodeDeploy's hook event and starts the execution that purges, waits and answers.
//!
//! Where it cannot, it answers CodeDeploy itself, by policy: a deployment never waits for an execution that does not
//! exist. Where even that fails, it fails: Lambda tries an asynchronous invocation again, and then hands the event to
//! `report-status`.

pub mod execution;
pub mod settings;

use aws_config::SdkConfig;
use lambda_runtime::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    codedeploy::{self, Answer, Delivery},
    document::{self, InvalidDocument},
    errors,
    hook::{Hook, HookEvent},
};

use crate::{
    execution::{Start, StartFailure},
    settings::{InvalidSettings, Settings},
};

/// The AWS services this function calls.
pub struct Clients {
    /// For `StartExecution`.
    pub sfn: aws_sdk_sfn::Client,
    /// For the answer when no execution could be started. Its client is made then: hardly any run needs it, and every
    /// start would wait for it.
    pub codedeploy: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            sfn: execution::client(config),
            codedeploy: config.clone(),
        }
    }
}

/// What became of the hook.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome")]
pub enum Outcome {
    /// An execution takes care of it and will answer.
    #[serde(rename_all = "camelCase")]
    Started {
        /// The execution's name.
        execution_name: String,
        /// Whether an earlier delivery of the same event had started it.
        before: bool,
    },
    /// None could be started; CodeDeploy has been answered.
    #[serde(rename_all = "camelCase")]
    Answered {
        /// What CodeDeploy was told.
        told: Answer,
        /// Why no execution could be started, and what to do.
        because: String,
    },
}

/// Why the hook was left without an execution and without an answer.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// Nobody can be answered: the event lacks what an answer needs.
    #[error(
        "{0}. CodeDeploy sends DeploymentId and LifecycleEventHookExecutionId, both texts; to try the function by hand, start from sam/events/hook.json"
    )]
    InvalidHookEvent(#[from] InvalidDocument),
    /// CodeDeploy would not or could not take the answer.
    #[error(
        "deployment {deployment_id} waits for an answer that could not be given: {because}; and CodeDeploy did not take {answer}: {source}. Lambda tries again if it was invoked asynchronously; if the deployment still waits, run `aws deploy put-lifecycle-event-hook-execution-status`"
    )]
    CodeDeployNotTold {
        /// The deployment that waits.
        deployment_id: String,
        /// Why an answer was needed here.
        because: String,
        /// What it was to be told.
        answer: Answer,
        /// What CodeDeploy said instead of taking it.
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
enum Obstacle {
    #[error(
        "the settings of the entry function are wrong: {0}. Deploy the stack again with these parameters mended"
    )]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Start(#[from] StartFailure),
}

/// Starts the hook's execution, or answers CodeDeploy where that cannot be.
///
/// # Errors
/// When there is nobody to answer, or CodeDeploy did not take the answer.
pub async fn handle(
    clients: &Clients,
    settings: &Settings,
    event: Value,
) -> Result<Outcome, Error> {
    let hook = parse(&event)?;
    match start(clients, settings, &hook).await {
        Ok(outcome) => Ok(outcome),
        Err(obstacle) => answer(clients, settings, &hook, &obstacle).await,
    }
}

fn parse(event: &Value) -> Result<Hook, InvalidDocument> {
    document::parse::<HookEvent>("the hook event", event).map(Hook::from)
}

async fn start(clients: &Clients, settings: &Settings, hook: &Hook) -> Result<Outcome, Obstacle> {
    let purge = settings.purge.as_ref().map_err(Clone::clone)?;
    let execution_name = shared::execution::name(hook);
    let start = execution::start(&clients.sfn, purge, &execution_name, hook).await?;
    let before = start == Start::Before;
    tracing::info!(
        deployment.id = hook.deployment_id,
        execution.name = execution_name,
        execution.started_before = before,
        "the purge for deployment {} runs as execution {execution_name}",
        hook.deployment_id,
    );
    Ok(Outcome::Started {
        execution_name,
        before,
    })
}

async fn answer(
    clients: &Clients,
    settings: &Settings,
    hook: &Hook,
    obstacle: &Obstacle,
) -> Result<Outcome, Error> {
    let told = settings.on_purge_failed.answer();
    let because = obstacle.to_string();
    let codedeploy = aws_sdk_codedeploy::Client::new(&clients.codedeploy);
    let delivery = codedeploy::tell(&codedeploy, hook, told)
        .await
        .map_err(|source| Error::CodeDeployNotTold {
            deployment_id: hook.deployment_id.clone(),
            because: because.clone(),
            answer: told,
            source,
        })?;
    tracing::error!(
        deployment.id = hook.deployment_id,
        codedeploy.told = told.as_str(),
        codedeploy.answered_before = delivery == Delivery::AlreadyAnswered,
        "nothing is purged for deployment {}: {because}",
        hook.deployment_id,
    );
    Ok(Outcome::Answered { told, because })
}
