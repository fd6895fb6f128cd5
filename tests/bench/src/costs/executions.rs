//! Executions whose interpreter, functions and stand-in share a clock.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sfn::{Client, types::ExecutionStatus};
use axum::{
    Json, Router,
    extract::{self, State},
    routing::post,
};
use report_status::FailureActions;
use serde_json::{Value, json};
use shared::failure_action::FailureAction;
use stand_in::{Clock, StandIn};
use strum::VariantArray;
use tests::{
    local_aws::{ACCOUNT, REGION, repository},
    moto::Moto,
};
use tokio::time::{sleep, timeout};

use super::{Case, POLL_INTERVAL, StateMachine, Usage};
use crate::{candidate::Function, server::Server};

/// Longer than any execution: moto computes the deadline by the real clock, and the functions compare it with a faster one.
const MAX_WAIT_SECONDS: &str = "100000";
/// The state machine creates an invalidation every two seconds.
const CREATE_TIMEOUT: Duration = Duration::from_mins(3);
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);
const STATE_MACHINE: &str = "bench";
const ACTIONS: FailureActions = FailureActions {
    on_invalidation_failure: FailureAction::FailDeployment,
    on_invalidation_timeout: FailureAction::FailDeployment,
};
/// What the deployment ids begin with.
const DEPLOYMENTS: &str = "d-COST";

/// Executions of one state machine by one clock.
pub(super) struct Executions {
    stand_in: StandIn,
    moto: Moto,
    _lambda: Server,
    /// By deployment id.
    cases: Vec<(String, Case)>,
}

impl Executions {
    /// Starts them, and waits until they have created all invalidations: most of the work for this machine, which a clock
    /// that runs fast would count many times.
    pub(super) async fn start(
        machine: StateMachine,
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
        let moto = Moto::start(1.0 / f64::from(speed), &url, &url, folder).await?;
        let state_machine = moto.sfn.create_state_machine().name(STATE_MACHINE);
        state_machine
            .definition(machine.definition()?)
            .role_arn(format!("arn:aws:iam::{ACCOUNT}:role/bench"))
            .send()
            .await
            .context("moto rejects the state machine")?;
        let cases = (0..)
            .map(|number| format!("{DEPLOYMENTS}{number:05}"))
            .zip(cases);
        let executions = Self {
            stand_in,
            moto,
            _lambda: lambda,
            cases: cases.collect(),
        };
        for (deployment, case) in &executions.cases {
            executions.start_execution(deployment, case).await?;
        }
        let created = executions.wait_for_invalidations();
        timeout(CREATE_TIMEOUT, created).await.with_context(|| {
            let folder = folder.display();
            format!("not all invalidations were created; see moto's log in {folder}")
        })?;
        Ok(executions)
    }

    async fn start_execution(&self, deployment: &str, case: &Case) -> Result<()> {
        self.stand_in
            .invalidations_take(deployment, Some(case.invalidation_time));
        let distributions = (0..case.distributions).map(|number| format!("E{number:013}"));
        let input = json!({
            "hook": {
                "deploymentId": deployment,
                "lifecycleEventHookExecutionId": format!("hook of {deployment}"),
            },
            "invalidations": distributions
                .map(|id| json!({ "distributionId": id, "paths": ["/*"] }))
                .collect::<Vec<_>>(),
        });
        let start = self.moto.sfn.start_execution();
        start
            .state_machine_arn(states_arn("stateMachine", STATE_MACHINE))
            .name(deployment)
            .input(input.to_string())
            .send()
            .await?;
        Ok(())
    }

    async fn wait_for_invalidations(&self) {
        let expected: u32 = self.cases.iter().map(|(_, case)| case.distributions).sum();
        while self.stand_in.invalidations(DEPLOYMENTS).len() < expected as usize {
            sleep(REFRESH_INTERVAL).await;
        }
    }

    /// Waits until the executions have ended, and counts what they used.
    pub(super) async fn usage(self) -> Result<Vec<(Case, Usage)>> {
        let sfn = self.moto.sfn;
        let mut all = Vec::new();
        for (deployment, case) in &self.cases {
            // The hook function's StartExecution, and the other functions' calls.
            let usage = usage(&sfn, deployment).await;
            let mut usage = usage.with_context(|| format!("{case:?}"))?;
            usage.api_calls = 1 + self.stand_in.calls_about(deployment).len();
            let statuses = self.stand_in.statuses(deployment);
            ensure!(
                statuses == ["Succeeded"],
                "{case:?}: CodeDeploy has {statuses:?}"
            );
            all.push((*case, usage));
        }
        Ok(all)
    }
}

fn states_arn(resource: &str, name: &str) -> String {
    format!("arn:aws:states:{REGION}:{ACCOUNT}:{resource}:{name}")
}

impl StateMachine {
    fn definition(self) -> Result<String> {
        let file = match self {
            Self::Product => "statemachine/invalidate.asl.json",
            Self::Poller => "tests/bench/peers/poller.asl.json",
        };
        let mut definition = fs::read_to_string(repository().join(file))?
            .replace("${LambdaInvoke}", "arn:aws:states:::lambda:invoke")
            .replace("${MaxWaitSeconds}", MAX_WAIT_SECONDS)
            .replace("${LookEverySeconds}", &POLL_INTERVAL.as_secs().to_string());
        for function in Function::VARIANTS {
            let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}");
            definition = definition.replace(&format!("${{{function:?}FunctionArn}}"), &arn);
        }
        Ok(definition)
    }
}

async fn usage(sfn: &Client, deployment: &str) -> Result<Usage> {
    let arn = states_arn(&format!("execution:{STATE_MACHINE}"), deployment);
    loop {
        let execution = sfn.describe_execution().execution_arn(&arn).send().await?;
        match execution.status {
            ExecutionStatus::Running => sleep(REFRESH_INTERVAL).await,
            ExecutionStatus::Succeeded => break,
            other => bail!("{other}: {:?}", execution.cause.or(execution.error)),
        }
    }
    let mut usage = Usage {
        transitions: 0,
        invocations: [(Function::Hook, 1)].into(),
        api_calls: 0,
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
    Json(event): Json<Value>,
) -> Result<Json<Value>, FunctionError> {
    let response = lambda.run(&arn, event).await;
    response.map(Json).map_err(|error| {
        let failure = json!({ "errorType": "Bench", "errorMessage": format!("{error:#}") });
        ([("x-amz-function-error", "Unhandled")], Json(failure))
    })
}

impl Lambda {
    async fn run(&self, arn: &str, event: Value) -> Result<Value> {
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
