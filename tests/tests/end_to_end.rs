//! Every scenario of the demo, with both failure actions each way, on the real stack on a local AWS.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

mod plant;
mod suite;

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use libtest_mimic::Arguments;
use serde_json::{Value, json};
use suite::{Suite, none_of};
use tests::{
    case::{Case, Change, EACH_WAY, Invocation, Trigger, text_of},
    catalogue,
    docs::check_generated,
    edge,
    environment::Engine,
    local_aws::{LocalAws, repository},
    permissions,
    run::Run,
    stack::{self, Stack, parameters},
};

/// AWS doesn't document how CodeDeploy invokes the hook function: each scenario is tried both ways.
const INVOCATIONS: [Invocation; 2] = [Invocation::Synchronous, Invocation::Asynchronous];

/// What `make verify` is tried on: names given, alarms with a topic, two paths as the README spells them.
const VERIFIED: [(&str, &str); 7] = [
    ("DistributionIds", "E2QWRUHAPOMQZL,E1WEBSITE00001"),
    ("DistributionTenantIds", "dt_shopA"),
    ("Paths", "/index.html,/static/*"),
    ("CacheTags", "blog"),
    ("CodeDeployApplication", "verified"),
    ("HookFunctionName", "CodeDeployHook_web"),
    ("StateMachineLogLevel", "ERROR"),
];

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    let suite = Suite::new(None)?;
    // The longest first.
    let mut trials = vec![suite.trial("verify passes, and finds what is planted", verifies)];
    // Then those with an edge location, then the last of the catalogue.
    let mut scenarios = catalogue::scenarios();
    scenarios.reverse();
    scenarios.sort_by_key(|case| case.stack.verified.is_empty());
    for scenario in scenarios {
        for (actions, invocation) in EACH_WAY.into_iter().zip(INVOCATIONS) {
            let mut case = scenario.clone();
            case.actions = actions;
            if let Trigger::HookEvent(kind, _) = &mut case.trigger {
                *kind = invocation;
            }
            let name = format!("{}, {}", case.name, text_of(actions));
            let is_skipped = !case.stack.verified.is_empty() && edge::varnish().is_none();
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
    let environment = suite.environment().await?;
    let stack = stack::deploy_nested(&environment.aws, LONG_NAME).await?;
    let hooks = &stack.outputs["AppSpecHooks"];
    let expected = format!("AfterAllowTraffic: \"CodeDeployHook_{LONG_NAME}\"");
    ensure!(hooks.contains(&expected), "the output is {hooks}");
    let function = format!("CodeDeployHook_{LONG_NAME}");
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
    let environment = suite.environment().await?;
    let aws = &environment.aws;
    let stacks = environment.stacks().await;
    // AWS does not document whether IAM checks the deployment group or * in this action.
    let defaults = parameters([("DistributionIds", "E2QWRUHAPOMQZL")]);
    let any = environment.deploy("any-deployment", &defaults, None);
    let any = any.await?;
    let narrowed = &stacks[0];
    let [own, another] = ["web", "another"].map(|group| format!("{}/{group}", narrowed.name));
    let may_report = [
        (&any, "*", true),
        (&any, &*own, true),
        (narrowed, &own, true),
        (narrowed, &another, false),
        (narrowed, "*", false),
    ];
    let table = permissions::examine(aws, &stacks, &may_report).await?;
    let mut problems = table.problems;
    if let Err(outdated) = check_generated("docs/SECURITY.md", "permissions", &table.table) {
        problems.push(outdated.to_string());
    }
    none_of(&problems)
}

async fn verifies(suite: &Suite) -> Result<()> {
    let environment = suite.environment().await?;
    let aws = &environment.aws;
    let topic = aws.cli("sns create-topic --name alarms").await?;
    let topic = topic["TopicArn"].as_str().unwrap_or_default();
    let endpoint = "--protocol email --notification-endpoint a@example.com";
    let subscribe = format!("sns subscribe --topic-arn {topic} {endpoint}");
    aws.cli(&subscribe).await?;
    let mut parameters = parameters(VERIFIED);
    parameters.insert("AlarmTopicArn".to_owned(), topic.to_owned());
    let stack = environment.deploy("verified", &parameters, None).await?;
    let mut problems = Vec::new();
    let output = &stack.outputs["Invalidates"];
    if output != "E2QWRUHAPOMQZL,E1WEBSITE00001 dt_shopA: /index.html,/static/* (cache tags: blog)"
    {
        problems.push(format!("the output is {output}"));
    }
    let mut check = |found: &str, expected: &[&str]| {
        let missing = expected.iter().filter(|row| !found.contains(**row));
        problems.extend(missing.map(|row| format!("{row:?} is not in:\n{found}")));
    };
    check(&verify(&stack).await?, &["\nverify: ", " 0 failed"]);
    plant::disabled_mapping(&stack).await?;
    check(
        &verify(&stack).await?,
        &[
            "failed   PendingReportsMapping is enabled",
            "failed   report-status receives the event of a stopped execution",
            ", 2 failed",
        ],
    );
    plant::removed_rule(&stack).await?;
    plant::denied_permission(&stack).await?;
    plant::no_program(&stack).await?;
    stack.set_variable("TARGETS", "{}").await?;
    check(
        &verify(&stack).await?,
        &[
            "failed   CheckInvalidationFunction starts",
            "failed   HookFunction starts: ",
            "TARGETS has no entry",
            "failed   ExecutionEndedRule delivers",
            "failed   CreateInvalidationFunction may cloudfront:CreateInvalidation on arn:aws:cloudfront::111122223333:distribution/E2QWRUHAPOMQZL",
            "failed   EcsHookFunction has the settings of HookFunction: TARGETS differ",
            ", 7 failed",
        ],
    );
    none_of(&problems)
}

/// ministack stores metric filters, and does not match them.
async fn finds_not_started(suite: &Suite) -> Result<()> {
    let environment = suite.environment().await?;
    let aws = &environment.aws;
    let stacks = environment.stacks().await;
    let deleted = Some(Change::StateMachineDeleted);
    let invalid = Some(Change::VariableSet("PATHS".into(), "index.html".into()));
    for (change, log_group, expected) in [
        (&deleted, "HookLogGroup", false),
        (&deleted, "ReportStatusLogGroup", false),
        (&invalid, "HookLogGroup", false),
        (&None, "HookLogGroup", true),
        (&None, "ReportStatusLogGroup", true),
        (&None, "EcsHookLogGroup", true),
        (&None, "RollbackLogGroup", true),
    ] {
        let mut found = Vec::new();
        // Those that most scenarios share.
        let stacks = stacks.iter().filter(|stack| {
            stack.change == *change && stack.outputs["Invalidates"] == "E2QWRUHAPOMQZL: /*"
        });
        for stack in stacks {
            // Not every stack has a function for rollbacks.
            if found.is_empty()
                && let Ok(group) = stack.resource(log_group).await
            {
                found = started_fields(aws, &group).await?;
            }
        }
        ensure!(
            !found.is_empty() && found.iter().all(|started| *started == expected),
            "{change:?}, {log_group}: {found:?}"
        );
    }
    Ok(())
}

/// What `make verify` prints.
async fn verify(stack: &Stack) -> Result<String> {
    let mut python = stack.aws.tool("ministack", "python");
    let folder = stack::package().unwrap_or_else(|| repository().join("sam"));
    let output = python
        .arg(folder.join("verify.py"))
        .arg(&stack.name)
        // As the README says it: the region is in AWS_REGION.
        .env_remove("AWS_DEFAULT_REGION")
        .env("VERIFY_REPORT_TIMEOUT", "15")
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run Python; `make tools` installs it")?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// What the lines of a log say in the field that the metric filters are about.
async fn started_fields(aws: &LocalAws, log_group: &str) -> Result<Vec<bool>> {
    let events = "logs filter-log-events --filter-pattern execution_started";
    let events = format!("{events} --log-group-name {log_group}");
    let found = aws.cli(&events).await?;
    let lines = found["events"].as_array().into_iter().flatten();
    let lines = lines.filter_map(|event| event["message"].as_str());
    let documents = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(documents
        .filter_map(|line| line["execution_started"].as_bool())
        .collect())
}
