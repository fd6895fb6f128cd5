//! The lifecycle hook of Amazon ECS's own deployments: starts the execution, and describes it each time that ECS calls again.
//!
//! It never fails for an event of ECS, because ECS would roll the deployment back: whatever goes wrong becomes the response that
//! `OnInvalidationFailure` selects. It invalidates at `POST_PRODUCTION_TRAFFIC_SHIFT`, when all production traffic has shifted. In a
//! rollback, ECS calls only `PRODUCTION_TRAFFIC_SHIFT`, before traffic shifts back: the function then leaves the rest to the
//! queue of rollbacks.

pub mod event;
pub mod response;
pub mod settings;

use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_sfn::types::ExecutionStatus;
use execution::{
    Start, StartError, arn, describe, name,
    rollback::EcsRollback,
    settings::{InvalidSettings, InvalidationSettings},
    start,
    targets::{NoTargets, parse_batches},
};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::{
    aws::AwsFailure,
    document::InvalidDocument,
    errors,
    failure_action::InvalidationResult,
    invalidation::InvalidationBatch,
    schedule::{next_check, whole_seconds},
    timestamp,
};

use crate::{event::LifecycleEvent, response::Response, settings::Settings};

/// The stage at which the function invalidates.
const STAGE: &str = "POST_PRODUCTION_TRAFFIC_SHIFT";
/// The stage that ECS calls in a rollback, and before, at each step of a deployment.
const ROLLBACK_STAGE: &str = "PRODUCTION_TRAFFIC_SHIFT";
/// How many calls in a row may fail, half a minute apart, before `OnInvalidationFailure` selects the response.
const MAX_FAILED_CALLS: u64 = 20;

/// The AWS services this function calls.
pub struct Clients {
    /// Step Functions, which most invocations call.
    pub sfn: aws_sdk_sfn::Client,
    /// For the client that is made when it is needed, in a rollback.
    pub config: SdkConfig,
}

impl Clients {
    /// Clients for the region and credentials of the environment.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            sfn: aws_sdk_sfn::Client::new(config),
            config: config.clone(),
        }
    }
}

/// An event that is not of Amazon ECS.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// It is of CodeDeploy.
    #[error(
        "this is CodeDeploy's hook event, and this function is for the lifecycle hooks of Amazon ECS services. In the Hooks of the AppSpec file, write the stack's output HookFunctionName instead. The deployment waits for an hour: stop it (docs/TROUBLESHOOTING.md)"
    )]
    CodeDeployEvent,
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// Why it is not known how the invalidations ended.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{0}. Amazon ECS sends resourceArn, the ARN of the service deployment")]
    Event(#[from] InvalidDocument),
    #[error(
        "invalid settings of the ecs-hook function: {0}. Correct the stack's parameters and redeploy the stack, then invoke the hook function with {{}} to invalidate"
    )]
    Settings(#[from] InvalidSettings),
    #[error(transparent)]
    Targets(#[from] NoTargets),
    #[error(
        "invalid hookDetails of the service's lifecycle hook: {0}. Correct them, then start an execution with these invalidations"
    )]
    HookDetails(String),
    #[error(
        "DescribeExecution failed for {execution_arn}: {source}. {}",
        source.remedy().unwrap_or("See the execution in the Step Functions console")
    )]
    Describe {
        execution_arn: String,
        source: AwsFailure,
    },
    #[error(
        "StartExecution says that {execution_arn} exists, but DescribeExecution does not find it. See the execution in the Step Functions console"
    )]
    NotFound { execution_arn: String },
    #[error("{0}. {advice}", advice = .0.advice())]
    Start(#[from] StartError),
}

impl Unknown {
    fn is_transient(&self) -> bool {
        match self {
            Self::Describe { source, .. } => source.is_transient(),
            Self::Start(error) => error.is_transient(),
            Self::NotFound { .. } => true,
            _ => false,
        }
    }
}

/// Responds to a call of a lifecycle hook.
///
/// # Errors
/// When the event is of CodeDeploy.
pub async fn handle(
    clients: &Clients,
    settings: &Settings,
    event: Value,
) -> Result<Response, Error> {
    if let Some(deployment_id) = event.get("DeploymentId") {
        // Nothing reports for a hook that waits: ExecutionNotStartedAlarm counts the lines in which it is false.
        let waits = event.get("LifecycleEventHookExecutionId").is_some();
        tracing::error!(
            deployment_id = deployment_id.as_str(),
            execution_started = waits.then_some(false),
            "the event is not of Amazon ECS, but of CodeDeploy"
        );
        return Err(Error::CodeDeployEvent);
    }
    let deployment_id = event["resourceArn"].as_str();
    Ok(match event["lifecycleStage"].as_str() {
        Some(STAGE) => respond(clients, settings, &event).await,
        Some(ROLLBACK_STAGE) => {
            match LifecycleEvent::parse(&event) {
                Ok(event) if event.is_rollback() => roll_back(clients, settings, &event).await,
                Ok(_) => tracing::info!(
                    deployment_id,
                    "nothing to invalidate at {ROLLBACK_STAGE}: not all traffic has shifted yet"
                ),
                Err(error) => tracing::error!(
                    deployment_id,
                    execution_started = false,
                    "cannot tell whether this is a rollback: {error}. If it is, invoke the hook function with {{}} when it has ended"
                ),
            }
            Response::SUCCEEDED
        }
        Some(stage) => {
            tracing::warn!(
                deployment_id,
                "nothing to invalidate at {stage}: use the stages {STAGE} and {ROLLBACK_STAGE} in the service's lifecycle hook"
            );
            Response::SUCCEEDED
        }
        None => {
            tracing::error!(
                deployment_id,
                execution_started = false,
                "the event has no lifecycleStage, which Amazon ECS sends. To start an execution manually, invoke the hook function"
            );
            settings.actions.on_invalidation_failure.status().into()
        }
    })
}

async fn respond(clients: &Clients, settings: &Settings, event: &Value) -> Response {
    let deployment_id = event["resourceArn"].as_str();
    let (unknown, again) = match LifecycleEvent::parse(event) {
        Ok(event) => match start_or_describe(clients, settings, &event).await {
            Ok(response) => return response,
            Err(unknown) => (unknown, Response::again(&event, MAX_FAILED_CALLS)),
        },
        Err(invalid) => (invalid.into(), None),
    };
    if unknown.is_transient()
        && let Some(response) = again
    {
        // Without advice for when nothing repeats the request.
        let reason = match &unknown {
            Unknown::Start(error) => error.to_string(),
            unknown => unknown.to_string(),
        };
        tracing::warn!(
            deployment_id,
            "Amazon ECS will invoke this function again: {reason}"
        );
        return response;
    }
    let (status, reason) = settings.actions.decide(InvalidationResult::Failed);
    let response = Response::from(status);
    tracing::error!(
        deployment_id,
        execution_started = false,
        reported_status = response.status(),
        "no execution is known for the deployment; responded {} to Amazon ECS ({reason}): {unknown}",
        response.status()
    );
    response
}

/// Starts the execution, or responds with how it has ended.
async fn start_or_describe(
    clients: &Clients,
    settings: &Settings,
    event: &LifecycleEvent,
) -> Result<Response, Unknown> {
    let deployment = &event.service_deployment;
    let execution_name = name::of_ecs(&deployment.arn, STAGE);
    let machine = &settings.state_machine_arn;
    let execution_arn = arn(machine, &execution_name);
    let found = describe(&clients.sfn, &execution_arn).await;
    let found = found.map_err(|source| Unknown::Describe {
        execution_arn: execution_arn.clone(),
        source,
    })?;
    let Some(execution) = found else {
        // Not before: settings that have become invalid must not fail a deployment whose execution is running.
        let invalidation = settings.invalidation.as_ref().map_err(Clone::clone)?;
        let batches = batches(invalidation, event)?;
        let is_of_all = invalidation.targets.of_all() == Some(&batches);
        let verify = settings.verifies_edge && is_of_all;
        let start = start(
            &clients.sfn,
            machine,
            &execution_name,
            None,
            &batches,
            verify,
        )
        .await?;
        if start == Start::AlreadyStarted {
            return Err(Unknown::NotFound { execution_arn });
        }
        tracing::info!(
            deployment_id = deployment.arn,
            execution_name,
            execution_started = true,
            "execution {execution_name} was started for the deployment",
        );
        return Ok(in_progress(event, SystemTime::now().into()));
    };
    let result = match execution.status {
        ExecutionStatus::Succeeded => InvalidationResult::Completed,
        ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {
            InvalidationResult::of_error(execution.error.as_deref())
        }
        _ => return Ok(in_progress(event, execution.start_date)),
    };
    let (status, reason) = settings.actions.decide(result);
    let response = Response::from(status);
    tracing::info!(
        deployment_id = deployment.arn,
        execution_name,
        result = ?result,
        reported_status = response.status(),
        "responded {} to Amazon ECS: {reason}",
        response.status()
    );
    Ok(response)
}

/// ECS calls again soon after the next status check of the execution.
fn in_progress(event: &LifecycleEvent, started: aws_smithy_types::DateTime) -> Response {
    let age = timestamp::between(started, SystemTime::now());
    Response::in_progress(event, whole_seconds(next_check(age)) + 1)
}

/// What the deployment invalidates: as the service's `hookDetails` say, or else the stack's settings.
fn batches(
    settings: &InvalidationSettings,
    event: &LifecycleEvent,
) -> Result<Vec<InvalidationBatch>, Unknown> {
    let own = event.own_invalidations();
    let Some(own) = own.map_err(|problem| Unknown::HookDetails(problem.to_owned()))? else {
        let deployment = &event.service_deployment;
        let key = format!("{}/{}", deployment.cluster, deployment.service);
        return Ok(settings.targets.of(&key)?.to_vec());
    };
    let mut problems = Vec::new();
    let batches = parse_batches(own, &settings.allowed, |problem| {
        problems.push(format!("invalidations: {problem}"));
    });
    if problems.is_empty() {
        Ok(batches)
    } else {
        Err(Unknown::HookDetails(problems.join("; ")))
    }
}

/// Leaves the invalidation after a rollback to the queue of rollbacks.
async fn roll_back(clients: &Clients, settings: &Settings, event: &LifecycleEvent) {
    let deployment_id = &event.service_deployment.arn;
    let queue_url = &settings.rollbacks_queue_url;
    if queue_url.is_empty() {
        tracing::info!(
            deployment_id,
            "the deployment rolls back; nothing is invalidated, because InvalidateAfterRollback is Disabled"
        );
        return;
    }
    match send(clients, settings, event).await {
        Ok(()) => tracing::info!(
            deployment_id,
            "the deployment rolls back; an execution is started when the rollback has ended"
        ),
        Err(NotSent::Unknown(Unknown::Targets(NoTargets { key }))) => tracing::info!(
            deployment_id,
            "the deployment rolls back; nothing is invalidated, because Targets has no entry for {key}"
        ),
        Err(reason) => tracing::error!(
            deployment_id,
            execution_started = false,
            "the deployment rolls back, and nothing will be invalidated after it: {reason}. Invalidate only when the rollback has ended"
        ),
    }
}

/// Why the queue of rollbacks does not have a rollback.
#[derive(Debug, thiserror::Error)]
enum NotSent {
    #[error(transparent)]
    Unknown(#[from] Unknown),
    #[error("SQS did not accept the message: {0}")]
    Sqs(AwsFailure),
}

async fn send(
    clients: &Clients,
    settings: &Settings,
    event: &LifecycleEvent,
) -> Result<(), NotSent> {
    let deployment = &event.service_deployment;
    let invalidation = settings.invalidation.as_ref();
    let invalidation = invalidation.map_err(|invalid| Unknown::from(invalid.clone()))?;
    let batches = batches(invalidation, event)?;
    let message = EcsRollback {
        service_deployment_arn: deployment.arn.clone(),
        execution_name: name::of_ecs_rollback(&deployment.arn),
        invalidations: batches,
    };
    let request = aws_sdk_sqs::Client::new(&clients.config)
        .send_message()
        .queue_url(&settings.rollbacks_queue_url)
        .message_body(json!(message).to_string());
    let response = request.send().await;
    response
        .map(drop)
        .map_err(|error| NotSent::Sqs(error.into()))
}
