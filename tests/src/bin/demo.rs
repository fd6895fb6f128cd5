//! `make demo`: deploys the product on a local AWS, lets a deployment's hook meet a scenario, and shows it live.

use std::{
    io::{IsTerminal, Write, stdout},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;
use shared::failure_action::FailureAction;
use tests::{
    case::{Case, FailureActions, Trigger},
    catalogue,
    environment::{Engine, Environment},
    follow::{Ended, Step, Watcher},
    guardian::asked_to_stop,
    judge::{Outcome, judge},
    run::Run,
};

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let name = std::env::args().nth(1).unwrap_or_default();
    let Some(scenario) = choose(&name) else {
        list();
        let asked_for = name == "list";
        return Ok(if asked_for {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(2)
        });
    };
    tokio::select! {
        outcome = demo(scenario) => outcome,
        // Returning drops, and so ends, all that was started.
        asked = asked_to_stop() => {
            asked?;
            println!("\nStopped. Nothing is left running.");
            Ok(ExitCode::from(130))
        }
    }
}

/// The first one, if no name is given.
fn choose(name: &str) -> Option<Case> {
    let mut scenarios = catalogue::scenarios().into_iter();
    scenarios.find(|case| name.is_empty() || case.name == name)
}

fn list() {
    println!("make demo SCENARIO=…");
    for case in catalogue::scenarios() {
        println!("  {:<15} {}", case.name, case.about);
    }
}

async fn demo(mut case: Case) -> Result<ExitCode> {
    case.actions = actions()?;
    println!("{}: {}\n", case.name, case.about);
    let environment = timed("starting the local AWS", Environment::start()).await?;
    let parameters = case.stack.parameters(case.actions);
    let deploy = environment.deploy_for(&case, "demo", &parameters);
    let stack = timed("deploying sam/template.yaml (sam deploy)", deploy).await?;
    for (name, value) in &parameters {
        println!("    {name}={value}");
    }
    if let Trigger::StartExecution(_) = case.trigger {
        println!("\nSomebody starts an execution:\n");
    } else {
        println!("\nCodeDeploy invokes {}:\n", stack.hook_function());
    }
    let mut screen = Screen::default();
    let run = Run::new(&environment, Engine::Ministack, &case, &stack);
    let response = run.trigger().await?;
    let outcome = run.finish(response, Some(&mut screen)).await?;
    screen.clear();
    summarize(&outcome);
    let violations = judge(&case, &outcome);
    for violation in &violations {
        println!("NOT AS EXPECTED  {violation}");
    }
    Ok(ExitCode::from(u8::from(!violations.is_empty())))
}

/// `FAILURE_ACTION` sets both actions; without it they are the template's defaults.
fn actions() -> Result<FailureActions> {
    let action = match std::env::var("FAILURE_ACTION").as_deref() {
        Err(_) | Ok("" | "FailDeployment") => FailureAction::FailDeployment,
        Ok("ContinueDeployment") => FailureAction::ContinueDeployment,
        Ok(other) => {
            anyhow::bail!(
                "FAILURE_ACTION is {other:?}: it must be FailDeployment or ContinueDeployment"
            )
        }
    };
    Ok(FailureActions {
        on_failure: action,
        on_timeout: action,
    })
}

async fn timed<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let began = Instant::now();
    print!("  {what} …");
    stdout().flush()?;
    let result = work.await.with_context(|| format!("{what} failed"))?;
    println!(" {:.1} s", began.elapsed().as_secs_f64());
    Ok(result)
}

/// Shows an execution's steps as lines and its waiting as one line that changes.
#[derive(Default)]
struct Screen {
    still: bool,
    last_still: u64,
}

impl Screen {
    fn clear(&mut self) {
        if self.still && stdout().is_terminal() {
            print!("\r\x1b[2K");
        }
        self.still = false;
        self.last_still = 0;
    }
}

impl Watcher for Screen {
    fn step(&mut self, after: Duration, step: &Step) {
        self.clear();
        let after = after.as_secs_f64();
        match step {
            Step::Entered { state, input } => {
                println!("{after:7.1} s  {state:<23} {}", detail(state, input));
            }
            Step::TaskFailed { error, cause } => {
                println!("{after:7.1} s    ✗ {error}: {}", message(cause));
            }
        }
    }

    fn still(&mut self, state: &str, since: Duration) {
        let seconds = since.as_secs();
        if stdout().is_terminal() {
            print!("\r\x1b[2K{:>9}  … {seconds} s in {state}", "");
            let _ = stdout().flush();
            self.still = true;
        } else if seconds >= self.last_still + 10 {
            println!("{:>9}  … {seconds} s in {state}", "");
            self.last_still = seconds;
        }
    }
}

/// What is worth knowing of a state's input.
fn detail(state: &str, input: &str) -> String {
    let input: Value = serde_json::from_str(input).unwrap_or_default();
    match state {
        "CreateInvalidations" => input["invalidations"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|batch| text(&batch["distributionId"]))
            .collect::<Vec<_>>()
            .join(", "),
        "WaitForInvalidation" => format!("{} s", input["waitSeconds"]),
        "IsInvalidationComplete" => text(&input["status"]),
        _ => String::new(),
    }
}

/// The function's own words, where the cause is a Lambda error's JSON.
fn message(cause: &str) -> String {
    serde_json::from_str::<Value>(cause)
        .ok()
        .and_then(|cause| cause["errorMessage"].as_str().map(str::to_owned))
        .unwrap_or_else(|| cause.to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("?").to_owned()
}

fn summarize(outcome: &Outcome) {
    println!();
    match &outcome.execution {
        None => println!(
            "no execution     the hook function returned: {}",
            outcome.hook_response
        ),
        Some(ended) => summarize_execution(ended),
    }
    let status = outcome.statuses.first();
    let status = status.map_or("no status", |accepted| accepted.status.as_str());
    println!("CodeDeploy       recorded {status} for the hook");
}

fn summarize_execution(ended: &Ended) {
    println!("execution        {}", ended.status);
    for row in ended.output["invalidations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        println!(
            "invalidated      {}  invalidation {}  paths: {}  {} s",
            text(&row["distributionId"]),
            text(&row["invalidationId"]),
            row["pathCount"],
            row["elapsedSeconds"]
        );
    }
    if let Some(summary) = ended.output["codeDeploy"]["summary"].as_str() {
        println!("report           {summary}");
    }
    if ended.error.is_some() || ended.cause.is_some() {
        println!(
            "error            {}",
            ended.error.as_deref().unwrap_or("none")
        );
        println!(
            "cause            {}",
            ended.cause.as_deref().unwrap_or("none")
        );
    }
}
