//! `make demo`: deploys the product on a local AWS, lets a deployment's hook meet a scenario, and shows it live.

use std::{convert::Infallible, env, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use aws_sdk_sfn::{Client, types::HistoryEvent};
use serde_json::Value;
use tests::{
    case::{Case, Trigger},
    catalogue,
    ecs::StageResult,
    environment::Environment,
    follow,
    interpreter::Engine,
    judge::Outcome,
    run::Run,
};

const REFRESH_INTERVAL: Duration = Duration::from_millis(250);

/// Shows the scenario with this name, or the first one if there is no name.
pub async fn run(name: &str) -> Result<ExitCode> {
    let mut scenarios = catalogue::scenarios().into_iter();
    if let Some(case) = scenarios.find(|case| name.is_empty() || case.name == name) {
        return Box::pin(demo(case)).await;
    }
    println!("make demo SCENARIO=…");
    for case in catalogue::scenarios() {
        println!("  {:<15} {}", case.name, case.about);
    }
    Ok(ExitCode::from(if name == "list" { 0 } else { 2 }))
}

async fn demo(mut case: Case) -> Result<ExitCode> {
    // Without it, both actions are the template's defaults.
    if let Ok(name) = env::var("FAILURE_ACTION")
        && !name.is_empty()
    {
        case.actions = [serde_json::from_value(name.into()).context("FAILURE_ACTION")?; 2];
    }
    println!("{}: {}\n", case.name, case.about);
    println!("  starting the local AWS …");
    let environment = Arc::new(Environment::start(None).await?);
    let parameters = environment.parameters(&case).await?;
    println!("  deploying the template (sam deploy) …");
    let deploy = environment.deploy("demo", &parameters, case.stack.change.clone());
    let stack = deploy.await?;
    for (name, value) in &parameters {
        println!("    {name}={value}");
    }
    println!("\n{}:\n", beginning(&case.trigger));
    let mut run = Run::new(&environment, Engine::Ministack, case, stack);
    run.trigger().await?;
    let (sfn, arn) = (&environment.ministack.sfn, run.execution_arn());
    let mut seen = 0;
    tokio::select! {
        finished = run.finish() => finished?,
        Err(error) = show(sfn, &arn, &mut seen) => return Err(error),
    }
    show_news(sfn, &arn, &mut seen).await?;
    summarize(&run.case.trigger, &run.outcome);
    let violations = run.judge();
    for violation in &violations {
        println!("NOT AS EXPECTED  {violation}");
    }
    Ok(ExitCode::from(u8::from(!violations.is_empty())))
}

/// Who does what.
fn beginning(trigger: &Trigger) -> &'static str {
    match trigger {
        Trigger::HookEvent(..) => "CodeDeploy invokes the hook function",
        Trigger::StartExecution(_) => "Somebody starts an execution",
        Trigger::Manual(_) => "Somebody invokes the hook function",
        Trigger::Ecs(_) => "Amazon ECS invokes EcsHookFunction at each stage",
        Trigger::DeploymentSucceeded(_) => "EventBridge delivers that a deployment has succeeded",
    }
}

/// Shows the steps of an execution until this is dropped; `seen` counts the events that have been looked at.
async fn show(sfn: &Client, arn: &str, seen: &mut usize) -> Result<Infallible> {
    loop {
        show_news(sfn, arn, seen).await?;
        tokio::time::sleep(REFRESH_INTERVAL).await;
    }
}

async fn show_news(sfn: &Client, arn: &str, seen: &mut usize) -> Result<()> {
    if follow::find(sfn, arn).await?.is_none() {
        return Ok(());
    }
    let history = follow::history(sfn, arn).await?;
    for event in &history[*seen..] {
        if let Some(line) = line(event) {
            let after = event.timestamp.as_secs_f64() - history[0].timestamp.as_secs_f64();
            println!("{after:7.1} s  {line}");
        }
    }
    *seen = history.len();
    Ok(())
}

/// A step of an execution, if an event is one.
fn line(event: &HistoryEvent) -> Option<String> {
    if let Some(entered) = event.state_entered_event_details() {
        let detail = detail(entered.name(), entered.input().unwrap_or_default());
        return Some(format!("{:<23} {detail}", entered.name()));
    }
    let failed = event.task_failed_event_details()?;
    let error = failed.error().unwrap_or_default();
    let cause = failed.cause().unwrap_or_default();
    // The function's own words, where the cause is a Lambda error's JSON.
    let parsed: Value = serde_json::from_str(cause).unwrap_or_default();
    let message = parsed["errorMessage"].as_str().unwrap_or(cause);
    Some(format!("  ✗ {error}: {message}"))
}

/// What is worth knowing of a state's input.
fn detail(state: &str, input: &str) -> String {
    let input: Value = serde_json::from_str(input).unwrap_or_default();
    match state {
        "CreateInvalidations" => rows(&input).map(target).collect::<Vec<_>>().join(", "),
        "WaitForInvalidation" | "WaitForEdge" => format!("{} s", input["waitSeconds"]),
        "IsInvalidationComplete" | "IsEdgeFresh" => text(&input["status"]).to_owned(),
        _ => String::new(),
    }
}

fn rows(document: &Value) -> impl Iterator<Item = &Value> {
    document["invalidations"].as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// The distribution or the distribution tenant of a batch or a row.
fn target(row: &Value) -> &str {
    let tenant = &row["distributionTenantId"];
    row["distributionId"].as_str().unwrap_or(text(tenant))
}

fn summarize(trigger: &Trigger, outcome: &Outcome) {
    println!();
    if let Some(ended) = &outcome.execution {
        println!("execution        {}", ended.status);
        for row in rows(&ended.output) {
            let (target, id) = (target(row), text(&row["invalidationId"]));
            let (paths, seconds) = (&row["pathCount"], &row["elapsedSeconds"]);
            println!("invalidated      {target}  invalidation {id}  paths: {paths}  {seconds} s");
        }
        for url in ended.output["edge"].as_array().into_iter().flatten() {
            let (outcome, reason) = (text(&url["outcome"]), url["reason"].as_str());
            let (url, reason) = (text(&url["url"]), reason.unwrap_or_default());
            println!("edge             {url}  {outcome}  {reason}");
        }
        let report = ended.output["codeDeploy"]["summary"].as_str();
        let (error, cause) = (ended.error.as_deref(), ended.cause.as_deref());
        for (label, text) in [("report", report), ("error", error), ("cause", cause)] {
            if let Some(text) = text {
                println!("{label:<16} {text}");
            }
        }
    } else {
        println!("no execution");
    }
    match trigger {
        Trigger::HookEvent(..) => {
            if outcome.execution.is_none() {
                println!("hook function    returned {}", outcome.hook_response);
            }
            let status = outcome.statuses.first();
            let status = status.map_or("no status", |accepted| accepted.status.as_str());
            println!("CodeDeploy       recorded {status} for the hook");
        }
        Trigger::Manual(_) => println!("hook function    returned {}", outcome.hook_response),
        _ => {}
    }
    for StageResult { stage, calls, last } in &outcome.ecs {
        println!("Amazon ECS       {stage}: {last} (calls: {calls})");
    }
}
