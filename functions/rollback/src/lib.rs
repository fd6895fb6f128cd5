//! The queue of rollbacks: starts an execution when a deployment has rolled back, because edge locations may have cached the
//! version that was rolled back.
//!
//! The queue has CodeDeploy's events of deployments that succeeded, of which this function picks the rollbacks, and what the
//! `ecs-hook` function knows of a rollback that has begun. It delivers a message once a minute until the function needs it no
//! longer.

use aws_config::SdkConfig;
use aws_sdk_ecs::types::ServiceDeploymentStatus;
use execution::{
    Start, StartError, name,
    rollback::EcsRollback,
    settings::{InvalidSettings, InvalidationSettings},
    start,
};
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    codedeploy,
    document::{self, InvalidDocument},
    errors,
    invalidation::InvalidationBatch,
    queue::{ItemFailure, Message},
};

/// The creators of the deployments that bring an earlier version back:
/// <https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_DeploymentInfo.html>
const ROLLBACK_CREATORS: [&str; 2] = ["codeDeployRollback", "CloudFormationRollback"];
/// The platform whose deployments have no Lambda hooks.
const SERVERS: &str = "Server";

/// What happens after an error.
const QUEUE: &str = "The queue delivers the message again each minute, for three hours. If the cause is not corrected soon, start an execution manually when the rollback has ended";

/// The AWS services this function calls.
pub struct Clients {
    /// CodeDeploy, which most invocations call.
    pub codedeploy: aws_sdk_codedeploy::Client,
    /// For the clients that are made when they are needed: after a rollback.
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
}

/// Lambda's partial batch response: the messages that the queue must deliver again.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    batch_item_failures: Vec<ItemFailure>,
}

/// Why no execution was started. The queue delivers the message again.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The event is not from the queue.
    #[error("{0}. Only the queue of rollbacks invokes this function")]
    InvalidInput(InvalidDocument),
    /// The message is neither CodeDeploy's event nor of the `ecs-hook` function.
    #[error(
        "{0}. Only DeploymentSucceededRule and EcsHookFunction send messages to the queue of rollbacks"
    )]
    InvalidMessage(InvalidDocument),
    /// The settings are invalid.
    #[error(
        "invalid settings of the rollback function: {0}. Correct the stack's parameters and redeploy the stack. {QUEUE}",
        QUEUE = QUEUE
    )]
    InvalidSettings(#[from] InvalidSettings),
    /// AWS throttles, fails or does not respond.
    #[error("{0}. See the AWS Health Dashboard. {QUEUE}", QUEUE = QUEUE)]
    Unavailable(Cause),
    /// AWS rejects a request.
    #[error("{0}. {advice}. {QUEUE}", advice = .0.advice(), QUEUE = QUEUE)]
    Rejected(Cause),
}

/// The call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// CodeDeploy's `GetDeployment`.
    #[error("CodeDeploy did not return deployment {deployment_id}: {source}")]
    GetDeployment {
        /// The deployment.
        deployment_id: String,
        /// CodeDeploy's response, if there was one.
        source: AwsFailure,
    },
    /// Amazon ECS's `DescribeServiceDeployments`.
    #[error("Amazon ECS did not return the status of the rollback: {0}")]
    DescribeServiceDeployments(AwsFailure),
    /// Step Functions' `StartExecution`.
    #[error(transparent)]
    Start(#[from] StartError),
}

impl Cause {
    fn source(&self) -> &AwsFailure {
        match self {
            Self::GetDeployment { source, .. } | Self::DescribeServiceDeployments(source) => source,
            Self::Start(error) => &error.source,
        }
    }

    fn advice(&self) -> &'static str {
        self.source().remedy().unwrap_or(
            "Check that the deployment and the state machine exist, and that the function's role is authorized",
        )
    }
}

impl From<Cause> for Error {
    fn from(cause: Cause) -> Self {
        if cause.source().is_transient() {
            Self::Unavailable(cause)
        } else {
            Self::Rejected(cause)
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// A message of the queue.
enum Rollback {
    CodeDeploy(StateChange),
    Ecs(EcsRollback),
}

/// CodeDeploy's `CodeDeploy Deployment State-change Notification`.
#[derive(Debug, Deserialize)]
struct StateChange {
    detail: StateChangeDetail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateChangeDetail {
    #[serde(deserialize_with = "document::non_empty_text")]
    deployment_id: String,
}

impl Rollback {
    fn parse(message: &Value) -> Result<Self, InvalidDocument> {
        if message.get("serviceDeploymentArn").is_some() {
            document::parse("the message of ecs-hook", message).map(Self::Ecs)
        } else {
            document::parse("CodeDeploy's event", message).map(Self::CodeDeploy)
        }
    }
}

/// Starts an execution if the deployment that the message is about has rolled back.
///
/// # Errors
/// When that is not known, or no execution could be started. The queue then delivers the message again.
pub async fn handle(
    clients: &Clients,
    settings: &Result<InvalidationSettings, InvalidSettings>,
    event: Value,
) -> Result<Response, Error> {
    let message = Message::parse(&event).map_err(Error::InvalidInput)?;
    match Rollback::parse(&message.document()).map_err(Error::InvalidMessage)? {
        Rollback::CodeDeploy(event) => {
            of_codedeploy(clients, settings, &event.detail.deployment_id).await?;
            Ok(Response::default())
        }
        Rollback::Ecs(rollback) => {
            if of_ecs(clients, settings, &rollback).await? {
                return Ok(Response::default());
            }
            Ok(Response {
                batch_item_failures: vec![message.into()],
            })
        }
    }
}

async fn of_codedeploy(
    clients: &Clients,
    settings: &Result<InvalidationSettings, InvalidSettings>,
    deployment_id: &str,
) -> Result<(), Error> {
    let deployment = codedeploy::deployment(&clients.codedeploy, deployment_id).await;
    let deployment = deployment.map_err(|source| Cause::GetDeployment {
        deployment_id: deployment_id.to_owned(),
        source,
    })?;
    let Some(creator) = deployment.creator.as_deref() else {
        return Err(Error::from(Cause::GetDeployment {
            deployment_id: deployment_id.to_owned(),
            source: AwsFailure::unusable("its response has no creator"),
        }));
    };
    let is_of_servers = deployment.compute_platform.as_deref() == Some(SERVERS);
    if is_of_servers || !ROLLBACK_CREATORS.contains(&creator) {
        tracing::info!(
            deployment_id,
            "deployment {deployment_id} is not a rollback of a deployment to Amazon ECS or Lambda (creator: {creator})"
        );
        return Ok(());
    }
    // Not before: invalid settings must not keep deployments that did not roll back in the queue.
    let settings = settings.as_ref().map_err(Clone::clone)?;
    // The rule matches deployments that don't use this stack, too.
    let key = deployment.targets_key();
    let Ok(batches) = settings.targets.of(key) else {
        tracing::info!(
            deployment_id,
            "nothing is invalidated after this rollback: Targets has neither the key {key} nor *"
        );
        return Ok(());
    };
    let execution_name = name::of_rollback(deployment_id);
    invalidate(clients, settings, deployment_id, &execution_name, batches).await
}

/// Whether the rollback has ended. If it has, there is an execution.
async fn of_ecs(
    clients: &Clients,
    settings: &Result<InvalidationSettings, InvalidSettings>,
    rollback: &EcsRollback,
) -> Result<bool, Error> {
    let arn = &rollback.service_deployment_arn;
    let status = service_deployment_status(clients, arn).await;
    let status = status.map_err(Cause::DescribeServiceDeployments)?;
    // Whichever way it has ended: where traffic went in between is not known, and one invalidation too many does no harm.
    if !matches!(
        status,
        ServiceDeploymentStatus::RollbackSuccessful
            | ServiceDeploymentStatus::RollbackFailed
            | ServiceDeploymentStatus::Stopped
            | ServiceDeploymentStatus::Successful
    ) {
        tracing::info!(
            deployment_id = arn,
            "the rollback has not ended: its status is {status}"
        );
        return Ok(false);
    }
    let settings = settings.as_ref().map_err(Clone::clone)?;
    let (name, batches) = (&rollback.execution_name, &rollback.invalidations);
    invalidate(clients, settings, arn, name, batches).await?;
    Ok(true)
}

async fn service_deployment_status(
    clients: &Clients,
    arn: &str,
) -> Result<ServiceDeploymentStatus, AwsFailure> {
    let ecs = aws_sdk_ecs::Client::new(&clients.config);
    let describe = ecs.describe_service_deployments();
    let found = describe.service_deployment_arns(arn).send().await?;
    let deployment = found.service_deployments.unwrap_or_default().pop();
    deployment
        .and_then(|deployment| deployment.status)
        .ok_or_else(|| {
            AwsFailure::unusable("DescribeServiceDeployments' response has no status of it")
        })
}

async fn invalidate(
    clients: &Clients,
    settings: &InvalidationSettings,
    deployment_id: &str,
    execution_name: &str,
    batches: &[InvalidationBatch],
) -> Result<(), Error> {
    let sfn = aws_sdk_sfn::Client::new(&clients.config);
    let machine = &settings.state_machine_arn;
    let start = start(&sfn, machine, execution_name, None, batches, false).await;
    let already_started = start.map_err(Cause::Start)? == Start::AlreadyStarted;
    tracing::info!(
        deployment_id,
        execution_name,
        execution_started = true,
        already_started,
        "execution {execution_name} was started after a rollback",
    );
    Ok(())
}
