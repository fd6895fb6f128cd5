//! Executions whose interpreter, functions and stand-in share a clock.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sfn::types::ExecutionStatus;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, State},
    routing::post,
};
use serde_json::{Value, json};
use shared::failure_action::{FailureAction, FailureActions};
use stand_in::{Clock, StandIn};
use tests::{
    follow::find,
    interpreter::Interpreter,
    local_aws::{ACCOUNT, REGION, repository},
    server::Server,
};
use tokio::time::{sleep, timeout};

use super::{Case, POLL_SECONDS, Usage};
use crate::server::http;

/// Longer than any execution: moto computes the deadline by the real clock, and the functions compare it with a faster one.
const MAX_WAIT_SECONDS: u64 = 100_000;
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
        let functions = Arc::new(Functions {
            clock,
            cloudfront: aws_sdk_cloudfront::Client::new(&config),
            report_status: report_status::Clients::new(&config),
        });
        let router = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            // EventBridge.
            .route("/", post(async || Json(json!({ "FailedEntryCount": 0 }))))
            .with_state(functions);
        let lambda = http(router).await?;
        let url = format!("http://{}", lambda.address);
        let moto = Interpreter::moto(1.0 / f64::from(speed), &url, &url, folder).await?;
        let create = moto.sfn.create_state_machine().name("bench");
        let create = create.definition(definition(machine)?);
        let create = create.role_arn(format!("arn:aws:iam::{ACCOUNT}:role/bench"));
        let state_machine = create.send().await?.state_machine_arn;
        let mut running = Vec::new();
        for (number, case) in cases.into_iter().enumerate() {
            let deployment = format!("{DEPLOYMENTS}{number:05}");
            let time = Duration::from_secs(case.seconds.into());
            stand_in.invalidations_take(&deployment, Some(time));
            let start = moto.sfn.start_execution().name(&deployment);
            let start = start.state_machine_arn(&state_machine);
            let start = start.input(case.input(&deployment).to_string());
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
        let mut all = Vec::new();
        for (case, deployment, arn) in &self.running {
            let usage = self.usage_of(deployment, arn).await;
            all.push((*case, usage.with_context(|| format!("{case:?}"))?));
        }
        Ok(all)
    }

    async fn usage_of(&self, deployment: &str, arn: &str) -> Result<Usage> {
        let sfn = &self.moto.sfn;
        let ended = loop {
            let found = find(sfn, arn).await?.context("there is no execution")?;
            if found.status != ExecutionStatus::Running {
                break found;
            }
            sleep(REFRESH_INTERVAL).await;
        };
        ensure!(ended.status == ExecutionStatus::Succeeded, "{ended:?}");
        let statuses = self.stand_in.statuses(deployment);
        ensure!(statuses == ["Succeeded"], "reported {statuses:?}");
        let calls = self.stand_in.calls_about(deployment).len();
        // The hook function has started it.
        let mut usage = Usage {
            transitions: 0,
            invocations: [("hook".to_owned(), 1)].into(),
            api_calls: 1 + u32::try_from(calls)?,
            history_events: 0,
        };
        let history = sfn.get_execution_history().execution_arn(arn);
        let mut events = history.into_paginator().items().send();
        while let Some(event) = events.try_next().await? {
            usage.history_events += 1;
            usage.transitions += u32::from(event.state_entered_event_details().is_some());
            // A retry would be charged for again.
            if let Some(failed) = event.task_failed_event_details() {
                bail!("a task failed: {:?}", failed.cause());
            }
            if let Some(task) = event.task_scheduled_event_details() {
                let request: Value = serde_json::from_str(task.parameters())?;
                let arn = request["FunctionName"].as_str().unwrap_or_default();
                *usage.invocations.entry(name(arn).to_owned()).or_default() += 1;
            }
        }
        Ok(usage)
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
        .replace("${MaxWaitSeconds}", &MAX_WAIT_SECONDS.to_string())
        .replace("${PollSeconds}", &POLL_SECONDS.to_string())
        .replace("${SettleSeconds}", "0")
        .replace("${VerifiesEdge}", "false");
    for (resource, function) in [
        ("CreateInvalidation", "create-invalidation"),
        ("CheckInvalidation", "check-invalidation"),
        ("VerifyEdge", "verify-edge"),
        ("ReportStatus", "report-status"),
    ] {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}");
        definition = definition.replace(&format!("${{{resource}FunctionArn}}"), &arn);
    }
    Ok(definition)
}

/// The name of a function.
fn name(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or_default()
}

/// Those that the state machines invoke.
struct Functions {
    clock: Clock,
    cloudfront: aws_sdk_cloudfront::Client,
    report_status: report_status::Clients,
}

type FunctionError = ([(&'static str, &'static str); 1], Json<Value>);

/// `Invoke`: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
async fn invoke(
    State(functions): State<Arc<Functions>>,
    extract::Path(arn): extract::Path<String>,
    event: Bytes,
) -> Result<Json<Value>, FunctionError> {
    let response = functions.run(name(&arn), &event).await;
    response.map(Json).map_err(|error| {
        let failure = json!({ "errorType": "Bench", "errorMessage": format!("{error:#}") });
        ([("x-amz-function-error", "Unhandled")], Json(failure))
    })
}

impl Functions {
    async fn run(&self, name: &str, event: &[u8]) -> Result<Value> {
        let event = serde_json::from_slice(event)?;
        let (cloudfront, now) = (&self.cloudfront, self.clock.now());
        Ok(match name {
            "create-invalidation" => {
                json!(create_invalidation::handle(cloudfront, event, now).await?)
            }
            "check-invalidation" => {
                json!(check_invalidation::handle(cloudfront, event, now).await?)
            }
            "report-status" => {
                json!(report_status::handle(&self.report_status, ACTIONS, "", event).await?)
            }
            _ => bail!("there is no function {name:?}"),
        })
    }
}
