//! Executions by one clock: an interpreter, a Lambda and a stand-in that all go by it.

use std::{net::Ipv4Addr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sfn::{
    Client,
    types::{ExecutionStatus, HistoryEvent},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, State},
    response::{IntoResponse, Response},
    routing::post,
};
use report_status::FailureActions;
use serde_json::{Value, json};
use shared::failure_action::FailureAction;
use stand_in::{Clock, StandIn};
use tests::{
    local_aws::{ACCOUNT, REGION, repository},
    moto::Moto,
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};

use super::{Case, Machine, PEERS_LOOK_EVERY, Use};
use crate::candidate::Function;

/// Never over: the deadline goes by moto's clock, which is not the fast one that the functions go by.
const MAX_WAIT_SECONDS: &str = "100000";
/// To create all invalidations: the state machine creates one in two seconds.
const CREATE_TIMEOUT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const STATE_MACHINE: &str = "bench";
/// What the deployments' ids begin with.
const DEPLOYMENTS: &str = "d-COST";

struct Lambda {
    clock: Clock,
    cloudfront: aws_sdk_cloudfront::Client,
    codedeploy: report_status::Clients,
}

/// A state machine, all that it needs, and the executions of some cases.
pub(super) struct Timeline {
    stand_in: StandIn,
    moto: Moto,
    server: JoinHandle<()>,
    runs: Vec<Run>,
}

struct Run {
    case: Case,
    deployment: String,
    execution_arn: String,
}

impl Timeline {
    /// Starts the cases' executions, and waits until they have created all invalidations: most of the work for this
    /// machine, which must not take long by a clock that runs fast.
    pub(super) async fn start(
        machine: Machine,
        speed: u32,
        cases: &[Case],
        folder: &Path,
    ) -> Result<Self> {
        let clock = Clock::at_speed(speed);
        let stand_in = StandIn::start_with(clock).await?;
        let config = stand_in.client_config();
        let lambda = Arc::new(Lambda {
            clock,
            cloudfront: aws_sdk_cloudfront::Client::new(&config),
            codedeploy: report_status::Clients::new(&config),
        });
        let router = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            // EventBridge.
            .route("/", post(async || Json(json!({ "FailedEntryCount": 0 }))))
            .with_state(lambda);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            // It ends with the task.
            let _ = axum::serve(listener, router).await;
        });
        let moto = Moto::start(1.0 / f64::from(speed), &url, &url, folder).await?;
        moto.sfn()
            .create_state_machine()
            .name(STATE_MACHINE)
            .definition(machine.definition()?)
            .role_arn(format!("arn:aws:iam::{ACCOUNT}:role/bench"))
            .send()
            .await
            .context("moto does not take the state machine")?;
        let mut timeline = Self {
            stand_in,
            moto,
            server,
            runs: Vec::new(),
        };
        for case in cases {
            timeline.start_execution(*case).await?;
        }
        let invalidations: u32 = cases.iter().map(|case| case.distributions).sum();
        let created = async {
            while timeline.stand_in.invalidations(DEPLOYMENTS).len() < invalidations as usize {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        timeout(CREATE_TIMEOUT, created).await.with_context(|| {
            format!(
                "not all {invalidations} invalidations were created; see moto's log in {}",
                folder.display()
            )
        })?;
        Ok(timeline)
    }

    async fn start_execution(&mut self, case: Case) -> Result<()> {
        let deployment = format!("{DEPLOYMENTS}{:05}", self.runs.len());
        self.stand_in
            .invalidations_take(&deployment, Some(case.purge));
        let batches: Vec<_> = (0..case.distributions)
            .map(|number| json!({ "distributionId": format!("E{number:013}"), "paths": ["/*"] }))
            .collect();
        let input = json!({
            "hook": {
                "deploymentId": deployment,
                "lifecycleEventHookExecutionId": format!("hook of {deployment}"),
            },
            "invalidations": batches,
        });
        let started = self
            .moto
            .sfn()
            .start_execution()
            .state_machine_arn(format!(
                "arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{STATE_MACHINE}"
            ))
            .name(&deployment)
            .input(input.to_string())
            .send()
            .await?;
        self.runs.push(Run {
            case,
            deployment,
            execution_arn: started.execution_arn,
        });
        Ok(())
    }

    /// Waits until the executions have ended, and counts what they used.
    pub(super) async fn end(self) -> Result<Vec<(Case, Use)>> {
        let sfn = self.moto.sfn();
        let mut used = Vec::new();
        for run in &self.runs {
            until_succeeded(&sfn, run).await?;
            let told = self.stand_in.statuses(&run.deployment);
            ensure!(
                told == ["Succeeded"],
                "{:?}: CodeDeploy was told {told:?}",
                run.case
            );
            // The hook function's StartExecution, and the other functions' calls.
            let calls = 1 + self.stand_in.calls_about(&run.deployment).len();
            let events = history(&sfn, &run.execution_arn).await?;
            let counted = count(&events, calls).with_context(|| format!("{:?}", run.case))?;
            used.push((run.case, counted));
        }
        Ok(used)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Machine {
    fn definition(self) -> Result<String> {
        let file = match self {
            Self::Product => "statemachine/invalidate.asl.json",
            Self::Poller => "tests/bench/peers/poller.asl.json",
        };
        let mut definition = std::fs::read_to_string(repository().join(file))?;
        let function = |name| format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench-{name}");
        for (variable, value) in [
            ("LambdaInvoke", "arn:aws:states:::lambda:invoke".to_owned()),
            (
                "CreateInvalidationFunctionArn",
                function("create-invalidation"),
            ),
            (
                "CheckInvalidationFunctionArn",
                function("check-invalidation"),
            ),
            ("ReportStatusFunctionArn", function("report-status")),
            ("MaxWaitSeconds", MAX_WAIT_SECONDS.to_owned()),
            ("LookEverySeconds", PEERS_LOOK_EVERY.as_secs().to_string()),
        ] {
            definition = definition.replace(&format!("${{{variable}}}"), &value);
        }
        Ok(definition)
    }
}

async fn until_succeeded(sfn: &Client, run: &Run) -> Result<()> {
    loop {
        let execution = sfn.describe_execution().execution_arn(&run.execution_arn);
        let found = execution.send().await?;
        match found.status {
            ExecutionStatus::Running => tokio::time::sleep(POLL_INTERVAL).await,
            ExecutionStatus::Succeeded => return Ok(()),
            other => {
                let why = found.cause.or(found.error).unwrap_or_default();
                bail!("{:?} ended {other}: {why}", run.case);
            }
        }
    }
}

fn count(events: &[HistoryEvent], calls: usize) -> Result<Use> {
    let mut used = Use {
        transitions: 0,
        invocations: [(Function::Hook, 1)].into(),
        calls,
        events: events.len(),
    };
    for event in events {
        used.transitions += usize::from(event.state_entered_event_details().is_some());
        // It would be tried again, and charged for again.
        if let Some(failed) = event.task_failed_event_details() {
            let cause = failed.cause().unwrap_or_default();
            bail!("a task failed, and nothing here should: {cause}");
        }
        if let Some(task) = event.task_scheduled_event_details() {
            let request: Value = serde_json::from_str(task.parameters())?;
            let arn = request["FunctionName"].as_str().unwrap_or_default();
            *used.invocations.entry(function(arn)?).or_default() += 1;
        }
    }
    Ok(used)
}

async fn history(sfn: &Client, execution: &str) -> Result<Vec<HistoryEvent>> {
    let pages = sfn
        .get_execution_history()
        .execution_arn(execution)
        .into_paginator()
        .items()
        .send();
    Ok(pages.try_collect().await?)
}

fn function(arn: &str) -> Result<Function> {
    Function::ALL
        .into_iter()
        .find(|function| arn.ends_with(function.name()))
        .with_context(|| format!("no function {arn:?}"))
}

/// `Invoke`: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
async fn invoke(
    State(lambda): State<Arc<Lambda>>,
    extract::Path(arn): extract::Path<String>,
    event: Bytes,
) -> Response {
    let answer = lambda.run(&arn, &event).await;
    answer.map_or_else(
        |error| {
            let failure = json!({ "errorType": "Bench", "errorMessage": format!("{error:#}") });
            ([("x-amz-function-error", "Unhandled")], Json(failure)).into_response()
        },
        |answer| Json(answer).into_response(),
    )
}

impl Lambda {
    async fn run(&self, arn: &str, event: &[u8]) -> Result<Value> {
        let event = serde_json::from_slice(event)?;
        let actions = FailureActions {
            on_invalidation_failure: FailureAction::FailDeployment,
            on_invalidation_timeout: FailureAction::FailDeployment,
        };
        let (cloudfront, now) = (&self.cloudfront, self.clock.now());
        Ok(match function(arn)? {
            Function::CreateInvalidation => {
                serde_json::to_value(create_invalidation::handle(cloudfront, event, now).await?)?
            }
            Function::CheckInvalidation => {
                serde_json::to_value(check_invalidation::handle(cloudfront, event, now).await?)?
            }
            Function::ReportStatus => serde_json::to_value(
                report_status::handle(&self.codedeploy, actions, "", event).await?,
            )?,
            Function::Hook => bail!("no state machine invokes the hook"),
        })
    }
}
