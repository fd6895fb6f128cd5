//! Every scenario of the demo, with both failure actions each way, on the real stack on a local AWS.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

mod suite;

use std::{fs, process::ExitCode};

use anyhow::{Result, anyhow, ensure};
use libtest_mimic::Arguments;
use serde_json::json;
use suite::{Suite, none_of, python};
use tests::{
    case::{Case, Change, EACH_WAY, Invocation, Trigger, parameters, text_of},
    catalogue,
    command::repository,
    docs::check_generated,
    edge,
    environment::DEPLOYMENT_GROUP,
    interpreter::Engine,
    run::Run,
    stack,
};

/// AWS doesn't document how CodeDeploy invokes the hook function: each scenario is tried both ways.
const INVOCATIONS: [Invocation; 2] = [Invocation::Synchronous, Invocation::Asynchronous];

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    let suite = Suite::new(None)?;
    // The longest first.
    let mut trials = vec![suite.trial("verify passes, and finds what is planted", verifies)];
    // Then those with an edge location, then the last of the catalogue.
    let has_varnish = edge::varnishd().is_some();
    let mut scenarios = catalogue::scenarios();
    scenarios.reverse();
    scenarios.sort_by_key(|case| (!case.long, case.stack.verified.is_empty()));
    for scenario in scenarios {
        for (actions, invocation) in EACH_WAY.into_iter().zip(INVOCATIONS) {
            let mut case = scenario.clone();
            case.actions = actions;
            if let Trigger::HookEvent(kind, _) = &mut case.trigger {
                *kind = invocation;
            }
            let name = format!("{}, {}", case.name, text_of(actions));
            let is_skipped = !case.stack.verified.is_empty() && !has_varnish;
            let trial = suite.trial(name, async move |suite| meets(suite, case).await);
            trials.push(trial.with_ignored_flag(is_skipped));
        }
    }
    if stack::package().is_some() {
        trials.push(suite.trial("the package is a nested stack", is_nested));
    }
    // All at a time: they mostly wait, and the stacks that they share are deployed two at a time.
    arguments.test_threads.get_or_insert(trials.len());
    let conclusion = suite.run(&arguments, trials)?;
    ensure!(
        arguments.list || conclusion.num_passed + conclusion.num_failed > 0,
        "no test has this name"
    );
    if conclusion.has_failed() || conclusion.num_filtered_out > 0 || arguments.list {
        return Ok(conclusion.exit_code());
    }
    // When all that a role can be used for has happened and is logged.
    let roles = "each role may do what it did, and nothing else";
    let logs = "the alarm's filter finds the hooks without an execution in the logs";
    let trials = vec![
        suite.trial(roles, examines_roles),
        suite.trial(logs, finds_not_started),
    ];
    Ok(suite.run(&arguments, trials)?.exit_code())
}

async fn meets(suite: &Suite, case: Case) -> Result<()> {
    let environment = suite.environment().await?;
    let stack = environment.stack(&case).await?;
    let mut run = Run::new(environment, Engine::Ministack, case, stack);
    run.trigger().await?;
    run.finish().await?;
    none_of(&run.judge()).map_err(|problems| anyhow!("{problems}\n{:#?}", run.outcome))
}

/// As long as the name of the hook function lets it be.
const LONG_NAME: &str = "a-team-of-the-shop-with-an-account-of-its-own-456";

async fn is_nested(suite: &Suite) -> Result<()> {
    let stack = suite.environment().await?.deploy_nested(LONG_NAME).await?;
    let function = format!("CodeDeployHook_{LONG_NAME}");
    let hooks = &stack.outputs["AppSpecHooks"];
    let is_named = hooks.contains(&format!("AfterAllowTraffic: \"{function}\""));
    ensure!(is_named, "the output is {hooks}");
    let dry_run = json!({ "dryRun": true });
    let invocation = Invocation::Synchronous;
    let response = stack.invoke(&function, invocation, &dry_run).await?;
    ensure!(
        response.contains("E2QWRUHAPOMQZL"),
        "it returned {response}"
    );
    Ok(())
}

async fn examines_roles(suite: &Suite) -> Result<()> {
    let aws = suite.environment().await?;
    let for_any = "any-deployment";
    let defaults = parameters([("DistributionIds", "E2QWRUHAPOMQZL")]);
    aws.deploy(for_any, &defaults, None).await?;
    let stacks = aws.stacks().await.into_iter().map(|stack| stack.name);
    let calls = aws.stand_in.calls().into_iter();
    let calls = calls.map(|call| json!([call.operation, call.subject, call.access_key]));
    let question = json!({
        "stacks": stacks.collect::<Vec<_>>(),
        "calls": calls.collect::<Vec<_>>(),
        "group": DEPLOYMENT_GROUP,
        "for_any": for_any,
    });
    let file = aws.folder.path().join("permissions.json");
    fs::write(&file, question.to_string())?;
    let table = python(aws, "permissions.py", &[file.display().to_string()]).await?;
    check_generated("docs/SECURITY.md", "permissions", &table)
}

async fn verifies(suite: &Suite) -> Result<()> {
    let aws = suite.environment().await?;
    let parameters = serde_yaml_ng::from_str(include_str!("../cases/verified.yaml"))?;
    let stack = aws.deploy("verified", &parameters, None).await?;
    let expected =
        "E2QWRUHAPOMQZL,E1WEBSITE00001 dt_shopA: /index.html,/static/* (cache tags: blog)";
    let output = &stack.outputs["Invalidates"];
    ensure!(output == expected, "the output is {output}");
    let folder = stack::package().unwrap_or_else(|| repository().join("sam"));
    let verify = folder.join("verify.py").display().to_string();
    let found = python(aws, "verify_finds.py", &[verify, stack.name]).await;
    found.map(drop)
}

async fn finds_not_started(suite: &Suite) -> Result<()> {
    let aws = suite.environment().await?;
    let mut stacks = Vec::new();
    for stack in aws.stacks().await {
        // Those that most scenarios share.
        if stack.outputs["Invalidates"] != "E2QWRUHAPOMQZL: /*" {
            continue;
        }
        let group = match stack.change {
            None => "Unchanged",
            Some(Change::StateMachineDeleted) => "StateMachineDeleted",
            Some(Change::VariableSet(..)) => "InvalidPaths",
            Some(Change::TimeoutSeconds(_)) => continue,
        };
        stacks.push(format!("{group}={}", stack.name));
    }
    python(aws, "started_in_logs.py", &stacks).await.map(drop)
}
