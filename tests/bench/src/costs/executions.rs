//! Executions whose interpreter, functions and stand-in share a clock.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sfn::{Client, types::ExecutionStatus};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, State},
    routing::post,
};
use report_status::FailureActions;
use serde_json::{Value, json};
use shared::failure_action::FailureAction;
use stand_in::{Clock, StandIn};
use strum::VariantArray;
use tests::{
    interpreter::Interpreter,
    local_aws::{ACCOUNT, REGION, repository},
};
use tokio::time::{sleep, timeout};

use super::{Case, POLL_SECONDS, Usage};
use crate::{candidate::Function, server::Server};

/// Longer than any execution: moto computes the deadline by the real clock, and the functions compare it with a faster one.
const MAX_WAIT_SECONDS: &str = "100000";
/// The state machine creates an invalidation every two seconds.
const CREATE_TIMEOUT: Duration = Duration::from_mins(3);
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);
const ACTIONS: FailureActions = FailureActions {
    on_invalidation_failure: FailureAction::FailDeployment,
    on_invalidation_timeout: FailureAction::FailDeployment,
};
/// What the deployment ids begin with.
const DEPLOYMENTS: &str = "d-COST";

/// Executions of one state machine by one clock.
pub(super) struct Executions {
    stand_in: StandIn,
    moto: Interpreter,
    _lambda: Server,
    /// Each with its deployment id and its ARN.
    running: Vec<(Case, String, String)>,
}

impl Executions {
    /// Starts them, and waits until they have created all invalidations: most of the work for this machine, which a clock
    /// that runs fast would count many times.
    pub(super) async fn start(
        machine: &str,
        speed: u32,
        cases: Vec<Case>,
        folder: &Path,
    ) -> Result<Self> {
        let clock = Clock::at_speed(speed);
        let stand_in = StandIn::start_with(clock).await?;
        let config = stand_in.client_config();
        let lambda = Arc::new(Lambda {
            clock,
            cloudfront: aws_sdk_cloudfront::Client::new(&config),
            report_status: report_status::Clients::new(&config),
        });
        let router = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            // EventBridge.
            .route("/", post(async || Json(json!({ "FailedEntryCount": 0 }))))
            .with_state(lambda);
        let lambda = Server::http(router).await?;
        let url = format!("http://{}", lambda.address);
        let moto = Interpreter::moto(1.0 / f64::from(speed), &url, &url, folder).await?;
        let sfn = moto.sfn.clone();
        let state_machine = sfn.create_state_machine().name("bench");
        let state_machine = state_machine.definition(definition(machine)?);
        let role = format!("arn:aws:iam::{ACCOUNT}:role/bench");
        let state_machine = state_machine.role_arn(role).send().await?;
        let mut running = Vec::new();
        for (number, case) in cases.into_iter().enumerate() {
            let deployment = format!("{DEPLOYMENTS}{number:05}");
            let time = Duration::from_secs(case.seconds.into());
            stand_in.invalidations_take(&deployment, Some(time));
            let start = sfn.start_execution().name(&deployment);
            let start = start.input(case.input(&deployment).to_string());
            let start = start.state_machine_arn(&state_machine.state_machine_arn);
            running.push((case, deployment, start.send().await?.execution_arn));
        }
        let expected: u32 = running.iter().map(|(case, ..)| case.distributions).sum();
        let created = async {
            while stand_in.invalidations(DEPLOYMENTS).len() < expected as usize {
                sleep(REFRESH_INTERVAL).await;
            }
        };
        timeout(CREATE_TIMEOUT, created).await.with_context(|| {
            let folder = folder.display();
            format!("not all invalidations were created; see moto's log in {folder}")
        })?;
        Ok(Self {
            stand_in,
            moto,
            _lambda: lambda,
            running,
        })
    }

    /// Waits until the executions have ended, and counts what they used.
    pub(super) async fn usage(self) -> Result<Vec<(Case, Usage)>> {
        let sfn = self.moto.sfn;
        let mut all = Vec::new();
        for (case, deployment, arn) in self.running {
            let usage = usage(&sfn, &arn).await;
            let mut usage = usage.with_context(|| format!("{case:?}"))?;
            let statuses = self.stand_in.statuses(&deployment);
            ensure!(statuses == ["Succeeded"], "{case:?} reported {statuses:?}");
            usage.api_calls += self.stand_in.calls_about(&deployment).len();
            all.push((case, usage));
        }
        Ok(all)
    }
}

impl Case {
    fn input(&self, deployment: &str) -> Value {
        let ids = (0..self.distributions).map(|number| format!("E{number:013}"));
        let batches = ids.map(|id| json!({ "distributionId": id, "paths": ["/*"] }));
        json!({
            "hook": {
                "deploymentId": deployment,
                "lifecycleEventHookExecutionId": format!("hook of {deployment}"),
            },
            "invalidations": batches.collect::<Vec<_>>(),
        })
    }
}

fn definition(file: &str) -> Result<String> {
    let mut definition = fs::read_to_string(repository().join(file))?
        .replace("${LambdaInvoke}", "arn:aws:states:::lambda:invoke")
        .replace("${MaxWaitSeconds}", MAX_WAIT_SECONDS)
        .replace("${PollSeconds}", &POLL_SECONDS.to_string());
    for function in Function::VARIANTS {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}");
        definition = definition.replace(&format!("${{{function:?}FunctionArn}}"), &arn);
    }
    Ok(definition)
}

/// What an execution used, without its functions' API calls.
async fn usage(sfn: &Client, arn: &str) -> Result<Usage> {
    loop {
        let execution = sfn.describe_execution().execution_arn(arn).send().await?;
        match execution.status {
            ExecutionStatus::Running => sleep(REFRESH_INTERVAL).await,
            ExecutionStatus::Succeeded => break,
            other => bail!("{other}: {:?}", execution.cause.or(execution.error)),
        }
    }
    // The hook function has started it.
    let mut usage = Usage {
        transitions: 0,
        invocations: [(Function::Hook, 1)].into(),
        api_calls: 1,
        history_events: 0,
    };
    let history = sfn.get_execution_history().execution_arn(arn);
    let mut events = history.into_paginator().items().send();
    while let Some(event) = events.try_next().await? {
        usage.history_events += 1;
        usage.transitions += usize::from(event.state_entered_event_details().is_some());
        // A retry would be charged for again.
        if let Some(failed) = event.task_failed_event_details() {
            bail!("a task failed: {:?}", failed.cause());
        }
        if let Some(task) = event.task_scheduled_event_details() {
            let request: Value = serde_json::from_str(task.parameters())?;
            let function = function(request["FunctionName"].as_str().unwrap_or_default())?;
            *usage.invocations.entry(function).or_default() += 1;
        }
    }
    Ok(usage)
}

fn function(arn: &str) -> Result<Function> {
    let name = arn.rsplit(':').next().unwrap_or_default();
    name.parse().with_context(|| format!("no function {arn:?}"))
}

struct Lambda {
    clock: Clock,
    cloudfront: aws_sdk_cloudfront::Client,
    report_status: report_status::Clients,
}

type FunctionError = ([(&'static str, &'static str); 1], Json<Value>);

/// `Invoke`: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
async fn invoke(
    State(lambda): State<Arc<Lambda>>,
    extract::Path(arn): extract::Path<String>,
    event: Bytes,
) -> Result<Json<Value>, FunctionError> {
    let response = lambda.run(&arn, &event).await;
    response.map(Json).map_err(|error| {
        let failure = json!({ "errorType": "Bench", "errorMessage": format!("{error:#}") });
        ([("x-amz-function-error", "Unhandled")], Json(failure))
    })
}

impl Lambda {
    async fn run(&self, arn: &str, event: &[u8]) -> Result<Value> {
        let event = serde_json::from_slice(event)?;
        let (cloudfront, now) = (&self.cloudfront, self.clock.now());
        Ok(match function(arn)? {
            Function::CreateInvalidation => {
                json!(create_invalidation::handle(cloudfront, event, now).await?)
            }
            Function::CheckInvalidation => {
                json!(check_invalidation::handle(cloudfront, event, now).await?)
            }
            Function::ReportStatus => {
                json!(report_status::handle(&self.report_status, ACTIONS, "", event).await?)
            }
            Function::Hook => bail!("no state machine invokes the hook function"),
        })
    }
}
