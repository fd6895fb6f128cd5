//! What a deployment costs, counted in the histories of executions.
//!
//! The real state machine runs on moto, with the functions' real handlers and the stand-in for CloudFront and CodeDeploy. Nobody
//! waits: the functions and the stand-in go by a time that each wait sets forward, and one thing happens after the other.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_sfn::{Client, types::ExecutionStatus};
use aws_smithy_types::{DateTime, date_time::Format};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{self, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use handlers::Handlers;
use serde::Serialize;
use serde_json::{Value, json};
use stand_in::{ACCOUNT, REGION, StandIn};
use tests::{command::repository, follow::when_ended, interpreter::Interpreter};

use crate::runtime_api::http;

/// How many seconds invalidations take.
pub const SECONDS: [u32; 5] = [10, 20, 60, 600, 3000];
/// The numbers of distributions that are invalidated.
pub const DISTRIBUTIONS: [u32; 3] = [1, 5, 50];
/// The interval of the alternatives: that of `aws cloudfront wait invalidation-completed` and of boto3's waiter.
pub const POLL_SECONDS: u32 = 20;
/// Longer than any execution: moto computes the deadline by the real time.
const MAX_WAIT_SECONDS: &str = "100000";
/// As long as an execution may really take, however busy this machine is.
const PATIENCE: Duration = Duration::from_mins(10);
const REFRESH_INTERVAL: Duration = Duration::from_millis(200);

/// The files of the state machines.
pub const PRODUCT: &str = "statemachine/invalidate.asl.json";
pub const POLLER: &str = "tests/bench/peers/poller.asl.json";

/// A deployment: its state machine, how many seconds its invalidations take, and of how many distributions.
pub type Case = (&'static str, u32, u32);

/// The one with a target.
pub const USUAL: Case = (PRODUCT, 20, 1);

/// What a deployment uses, the hook function included.
#[derive(Debug, Clone, Serialize)]
pub struct Usage {
    /// States entered, which is what Step Functions charges for.
    pub transitions: u32,
    /// By the names of the functions.
    pub invocations: BTreeMap<String, u32>,
    pub api_calls: u32,
    pub history_events: u32,
}

/// Runs all cases, and counts what they used. moto's log is in the folder.
pub async fn count(folder: &Path) -> Result<BTreeMap<Case, Usage>> {
    let mut all = BTreeMap::new();
    for machine in [PRODUCT, POLLER] {
        let handlers = Arc::new(Handlers::new(StandIn::start().await?));
        let router = Router::new()
            .route("/2015-03-31/functions/{name}/invocations", post(invoke))
            // EventBridge.
            .route("/", post(async || Json(json!({ "FailedEntryCount": 0 }))))
            .with_state((machine, handlers.clone()));
        let lambda = http(router).await?;
        let url = format!("http://{}", lambda.address);
        let moto = Interpreter::moto(0.0, &url, &url, folder).await?;
        let create = moto.sfn.create_state_machine().name("bench");
        let create = create.definition(definition(machine)?);
        let create = create.role_arn(format!("arn:aws:iam::{ACCOUNT}:role/bench"));
        let state_machine = create.send().await?.state_machine_arn;
        let cases = SECONDS.map(|seconds| DISTRIBUTIONS.map(|count| (machine, seconds, count)));
        for case @ (_, seconds, distributions) in cases.into_iter().flatten().filter(is_possible) {
            let deployment = format!("d-COST{:05}", all.len());
            let time = Duration::from_secs(seconds.into());
            handlers.aws.invalidations_take(&deployment, Some(time));
            let start = moto.sfn.start_execution().name(&deployment);
            let start = start.state_machine_arn(&state_machine);
            let start = start.input(input(&deployment, distributions).to_string());
            let arn = start.send().await?.execution_arn;
            let usage = usage(&moto.sfn, &handlers.aws, &deployment, &arn).await;
            all.insert(case, usage.with_context(|| format!("{case:?}"))?);
        }
    }
    Ok(all)
}

/// AWS ends an execution at 25,000 events. The poller has nine for each status check of each distribution.
fn is_possible((machine, seconds, distributions): &Case) -> bool {
    *machine == PRODUCT || 9 * (seconds / POLL_SECONDS) * distributions < 25_000
}

fn input(deployment: &str, distributions: u32) -> Value {
    let ids = (0..distributions).map(|number| format!("E{number:013}"));
    let batches = ids.map(|id| json!({ "distributionId": id, "paths": ["/*"] }));
    json!({
        "hook": {
            "deploymentId": deployment,
            "lifecycleEventHookExecutionId": format!("hook of {deployment}"),
        },
        "invalidations": batches.collect::<Vec<_>>(),
    })
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

fn definition(file: &str) -> Result<String> {
    let original = fs::read_to_string(repository().join(file))?;
    let (map, one) = ("\"Type\": \"Map\",", "\"MaxConcurrency\": 1,");
    let is_replaced = original.contains(map) && !original.contains("MaxConcurrency");
    ensure!(is_replaced, "{file} needs another replacement");
    let mut definition = original
        .replace(map, &format!("{map} {one}"))
        .replace("${LambdaInvoke}", "arn:aws:states:::lambda:invoke")
        .replace("${MaxWaitSeconds}", MAX_WAIT_SECONDS)
        .replace("${PollSeconds}", &POLL_SECONDS.to_string())
        .replace("${SettleSeconds}", "0");
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
    State((machine, handlers)): State<(&'static str, Arc<Handlers>)>,
    extract::Path(arn): extract::Path<String>,
    event: Bytes,
) -> Result<Response, StatusCode> {
    let event: Value = serde_json::from_slice(&event).map_err(|_| StatusCode::BAD_REQUEST)?;
    let aws = &handlers.aws;
    // The product creates each invalidation at its own time.
    if let Some(turn) = event["notBefore"].as_str() {
        let turn =
            DateTime::from_str(turn, Format::DateTime).map_err(|_| StatusCode::BAD_REQUEST)?;
        aws.set_time(SystemTime::try_from(turn).map_err(|_| StatusCode::BAD_REQUEST)?);
    }
    Ok(match handlers.invoke(name(&arn), event).await {
        Ok(output) => {
            let wait = match machine {
                POLLER => Some(POLL_SECONDS.into()),
                _ => output["waitSeconds"].as_u64(),
            };
            aws.set_time(aws.now() + Duration::from_secs(wait.unwrap_or_default()));
            Json(output).into_response()
        }
        Err(error) => ([("x-amz-function-error", "Unhandled")], Json(error)).into_response(),
    })
}
