//! Executions whose interpreter, functions and stand-in share a clock.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sfn::{Client, types::ExecutionStatus};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use handlers::Handlers;
use serde_json::{Value, json};
use stand_in::{Clock, StandIn};
use tests::{
    follow::when_ended,
    interpreter::Interpreter,
    local_aws::{ACCOUNT, REGION, repository},
    until::until,
};

use super::{Case, POLL_SECONDS, Usage};
use crate::server::http;

/// Longer than any execution: moto computes the deadline by the real clock, and the functions compare it with a faster one.
const MAX_WAIT_SECONDS: u64 = 100_000;
/// The state machine creates an invalidation every two seconds.
const CREATE_TIMEOUT: Duration = Duration::from_mins(3);
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);
/// The longest takes two and a half minutes, and this machine may be slow.
const PATIENCE: Duration = Duration::from_mins(10);
/// What the deployment ids begin with.
const DEPLOYMENTS: &str = "d-COST";

/// Runs executions of one state machine by one clock until they have ended, and counts what they used.
pub(super) async fn run(
    machine: &str,
    speed: u32,
    cases: Vec<Case>,
    folder: &Path,
) -> Result<Vec<(Case, Usage)>> {
    let handlers = Arc::new(Handlers::start(Clock::at_speed(speed)).await?);
    let aws = &handlers.aws;
    let router = Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        // EventBridge.
        .route("/", post(async || Json(json!({ "FailedEntryCount": 0 }))))
        .with_state(handlers.clone());
    let lambda = http(router).await?;
    let url = format!("http://{}", lambda.address);
    let moto = Interpreter::moto(1.0 / f64::from(speed), &url, &url, folder).await?;
    let create = moto.sfn.create_state_machine().name("bench");
    let create = create.definition(definition(machine)?);
    let create = create.role_arn(format!("arn:aws:iam::{ACCOUNT}:role/bench"));
    let state_machine = create.send().await?.state_machine_arn;
    let mut running = Vec::new();
    let mut expected = 0;
    for (number, case) in cases.into_iter().enumerate() {
        let deployment = format!("{DEPLOYMENTS}{number:05}");
        let time = Duration::from_secs(case.seconds.into());
        aws.invalidations_take(&deployment, Some(time));
        let start = moto.sfn.start_execution().name(&deployment);
        let start = start.state_machine_arn(&state_machine);
        let start = start.input(case.input(&deployment).to_string());
        expected += case.distributions as usize;
        running.push((case, deployment, start.send().await?.execution_arn));
    }
    // Until then this machine has most to do, and a clock that runs fast counts that many times: moto is asked nothing.
    let are_created = async || Ok(aws.invalidations(DEPLOYMENTS).len() >= expected);
    ensure!(
        until(CREATE_TIMEOUT, REFRESH_INTERVAL, are_created).await?,
        "not all invalidations were created; see moto's log in {}",
        folder.display()
    );
    let mut all = Vec::new();
    for (case, deployment, arn) in running {
        let usage = usage(&moto.sfn, aws, &deployment, &arn).await;
        all.push((case, usage.with_context(|| format!("{case:?}"))?));
    }
    Ok(all)
}

/// Waits until an execution has ended, and counts what it used.
async fn usage(sfn: &Client, aws: &StandIn, deployment: &str, arn: &str) -> Result<Usage> {
    let ended = when_ended(sfn, arn, PATIENCE, REFRESH_INTERVAL).await?;
    let ended = ended.context("there is no execution")?;
    ensure!(ended.status == ExecutionStatus::Succeeded, "{ended:?}");
    let statuses = aws.statuses(deployment);
    ensure!(statuses == ["Succeeded"], "reported {statuses:?}");
    // The hook function has started it.
    let mut usage = Usage {
        transitions: 0,
        invocations: [("hook".to_owned(), 1)].into(),
        api_calls: 1 + u32::try_from(aws.calls_about(deployment).len())?,
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

/// `Invoke`: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
async fn invoke(
    State(handlers): State<Arc<Handlers>>,
    extract::Path(arn): extract::Path<String>,
    event: Bytes,
) -> Result<Response, StatusCode> {
    let event = serde_json::from_slice(&event).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(match handlers.invoke(name(&arn), event).await {
        Ok(output) => Json(output).into_response(),
        Err(error) => ([("x-amz-function-error", "Unhandled")], Json(error)).into_response(),
    })
}
