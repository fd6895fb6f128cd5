//! Every scenario of the demo, with both failure actions each way, on the real stack on a local AWS.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

mod plant;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tests::{
    case::{Case, Change, FailureActions, Invocation, Trigger},
    catalogue,
    docs::check_generated,
    environment::{Engine, Environment},
    judge::judge,
    local_aws::{LocalAws, repository, tool},
    permissions,
    run::Run,
    stack::{self, Stack},
};
use tokio::{process::Command, runtime::Runtime, sync::OnceCell};

/// They mostly wait: many fit on few processors.
const TRIALS_AT_A_TIME: usize = 24;

/// Parameters that no stack can have.
const REFUSED: &[(&str, &str)] = &[
    ("DistributionIds", "E2QWRUHAPOMQZL,not-an-id"),
    ("MaxWaitSeconds", "3600"),
    ("OnInvalidationFailure", "Perhaps"),
    ("Paths", "/ok,index.html"),
    ("Paths", "/a*b"),
    ("Paths", "/static/runtime~main.js"),
    ("Paths", ",/a"),
    ("CacheTags", "#blog"),
    ("CacheTags", "blog,"),
    ("HookFunctionName", "invalidate-hook"),
];

/// What `make verify` is tried on: names given, alarms with a topic, two paths as the README spells them.
const VERIFIED: &[(&str, &str)] = &[
    ("DistributionIds", "E2QWRUHAPOMQZL,E1WEBSITE00001"),
    ("Paths", "/index.html,/static/*"),
    ("CacheTags", "blog"),
    ("HookFunctionName", "CodeDeployHook_web"),
    ("StateMachineLogLevel", "ERROR"),
];

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TRIALS_AT_A_TIME);
    let tests = Arc::new(Tests {
        environment: OnceCell::new(),
        runtime: Runtime::new()?,
    });
    // The longest first.
    let verifies = async |tests: &Tests| tests.verifies().await;
    let mut trials = vec![tests.trial("verify passes, and finds what is planted", verifies)];
    for (actions, invocation) in FailureActions::EACH_WAY.into_iter().zip(INVOCATIONS) {
        // The last ones take longest.
        for mut case in catalogue::scenarios().into_iter().rev() {
            case.actions = actions;
            if let Trigger::HookEvent(kind, _) = &mut case.trigger {
                *kind = invocation;
            }
            let name = format!("{}, {actions}", case.name);
            trials.push(tests.trial(name, async move |tests| tests.meets(case).await));
        }
    }
    for &(name, value) in REFUSED {
        let refuses = async move |tests: &Tests| tests.refuses(name, value).await;
        trials.push(tests.trial(format!("the template refuses {name}={value}"), refuses));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() || conclusion.num_filtered_out > 0 || arguments.list {
        return Ok(conclusion.exit_code());
    }
    // When all that a role can be used for has happened and is logged.
    let roles = async |tests: &Tests| tests.examines_roles().await;
    let logs = async |tests: &Tests| tests.finds_not_started().await;
    let trials = vec![
        tests.trial("each role may do what it did, and nothing else", roles),
        tests.trial(
            "the alarm's filter finds the hooks without an execution in the logs",
            logs,
        ),
    ];
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// AWS doesn't document how CodeDeploy invokes the hook function: each scenario is tried both ways.
const INVOCATIONS: [Invocation; 2] = [Invocation::Synchronous, Invocation::Asynchronous];

/// The environment of all tests, made when the first test needs it, and gone with the last.
struct Tests {
    environment: OnceCell<Environment>,
    runtime: Runtime,
}

impl Tests {
    fn trial<F>(self: &Arc<Self>, name: impl Into<String>, test: F) -> Trial
    where
        F: AsyncFnOnce(&Self) -> Result<(), Failed> + Send + 'static,
    {
        let tests = Arc::clone(self);
        Trial::test(name, move || tests.runtime.block_on(test(&tests)))
    }

    async fn environment(&self) -> Result<&Environment> {
        self.environment.get_or_try_init(Environment::start).await
    }

    async fn aws(&self) -> Result<&LocalAws> {
        Ok(&self.environment().await?.aws)
    }

    async fn meets(&self, case: Case) -> Result<(), Failed> {
        let environment = self.environment().await?;
        let stack = environment.stack(&case).await?;
        let run = Run::new(environment, Engine::Ministack, &case, &stack);
        let response = run.trigger().await?;
        let outcome = run.finish(response, None).await?;
        let violations = judge(&case, &outcome);
        let violations: Vec<_> = violations.iter().map(ToString::to_string).collect();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(format!("{}\n{outcome:#?}", violations.join("\n")).into())
        }
    }

    async fn examines_roles(&self) -> Result<(), Failed> {
        let aws = self.aws().await?;
        let stacks = self.environment().await?.stacks().await;
        let all: Vec<_> = stacks.into_iter().map(|(stack, _)| stack).collect();
        let table = permissions::examine(aws, &all).await?;
        let mut problems = table.problems;
        if let Err(outdated) = check_generated("docs/SECURITY.md", "permissions", &table.table) {
            problems.push(outdated.to_string());
        }
        // Whether IAM knows deployment groups in this action is not known.
        let defaults = [("DistributionIds", "E2QWRUHAPOMQZL")];
        let any = self
            .environment()
            .await?
            .deploy("any-deployment", &defaults)
            .await?;
        let narrowed = &all[0];
        let answers = [
            (&any, "*", true),
            (&any, "shop/web", true),
            (narrowed, "shop/web", true),
            (narrowed, "shop/another", false),
            (narrowed, "*", false),
        ];
        for (stack, resource, expected) in answers {
            let found = permissions::may_report(aws, stack, resource).await?;
            if found != expected {
                let name = &stack.name;
                problems.push(format!(
                    "{name} may report to {resource}: {found}, not {expected}"
                ));
            }
        }
        none_of(&problems)
    }

    async fn verifies(&self) -> Result<(), Failed> {
        let aws = self.aws().await?;
        let topic = stack::cli(aws, "sns create-topic --name alarms").await?;
        let topic = topic["TopicArn"].as_str().unwrap_or_default();
        let endpoint = "--protocol email --notification-endpoint a@example.com";
        stack::cli(
            aws,
            &format!("sns subscribe --topic-arn {topic} {endpoint}"),
        )
        .await?;
        let parameters = [VERIFIED, &[("AlarmTopicArn", topic)]].concat();
        let stack = self
            .environment()
            .await?
            .deploy("verified", &parameters)
            .await?;
        let mut problems = Vec::new();
        let invalidates =
            "E2QWRUHAPOMQZL, E1WEBSITE00001: /index.html,/static/* (cache tags: blog)";
        if stack.outputs["Invalidates"] != invalidates {
            problems.push(format!("the output is {}", stack.outputs["Invalidates"]));
        }
        let found = verify(aws, &stack).await?;
        if !found.contains("\nverify: ") || !found.contains(" 0 failed") {
            problems.push(format!("it fails where nothing is planted:\n{found}"));
        }
        plant::disabled_mapping(aws, &stack).await?;
        let found = verify(aws, &stack).await?;
        for row in [
            "failed   report-status receives the event of a stopped execution",
            ", 1 failed",
        ] {
            if !found.contains(row) {
                problems.push(format!("{row:?} is not in:\n{found}"));
            }
        }
        plant::removed_rule(aws, &stack).await?;
        plant::denied_permission(aws, &stack).await?;
        plant::wrong_architecture(aws, &stack).await?;
        let found = verify(aws, &stack).await?;
        for row in [
            "failed   CheckInvalidationFunction starts",
            "failed   ExecutionEndedRule delivers",
            "failed   CreateInvalidationFunction may cloudfront:CreateInvalidation on arn:aws:cloudfront::111122223333:distribution/E2QWRUHAPOMQZL",
            ", 3 failed",
        ] {
            if !found.contains(row) {
                problems.push(format!("{row:?} is not in:\n{found}"));
            }
        }
        none_of(&problems)
    }

    /// ministack stores metric filters, and does not match them.
    async fn finds_not_started(&self) -> Result<(), Failed> {
        let aws = self.aws().await?;
        let stacks = self.environment().await?.stacks().await;
        let deleted = Some(Change::StateMachineDeleted);
        let invalid = Some(Change::VariableSet("PATHS".into(), "index.html".into()));
        for (change, log_group, expected) in [
            (&deleted, "HookLogGroup", false),
            (&deleted, "ReportStatusLogGroup", false),
            (&invalid, "HookLogGroup", false),
            (&None, "HookLogGroup", true),
            (&None, "ReportStatusLogGroup", true),
        ] {
            let (stack, _) = stacks.iter().find(|(_, of)| of == change).context("none")?;
            let group = stack.resource(aws, log_group).await?;
            let found = started_fields(aws, &group).await?;
            if found.is_empty() || found.iter().any(|started| *started != expected) {
                return Err(format!("{change:?}, {log_group}: {found:?}").into());
            }
        }
        Ok(())
    }

    async fn refuses(&self, name: &str, value: &str) -> Result<(), Failed> {
        let environment = self.environment().await?;
        let mut parameters = BTreeMap::from([("DistributionIds", "E2QWRUHAPOMQZL")]);
        parameters.insert(name, value);
        let parameters: Vec<_> = parameters.into_iter().collect();
        match environment
            .deploy(&format!("refused-{name}-{}", value.len()), &parameters)
            .await
        {
            Ok(_) => Err("it was deployed".into()),
            Err(refusal) if format!("{refusal:#}").contains(&format!("Parameter '{name}'")) => {
                Ok(())
            }
            Err(other) => Err(format!("it failed otherwise: {other:#}").into()),
        }
    }
}

/// Fails with all of them, if there are any.
fn none_of(problems: &[String]) -> Result<(), Failed> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

/// What `make verify` prints.
async fn verify(aws: &LocalAws, stack: &Stack) -> Result<String> {
    let output = Command::new(tool("ministack", "python"))
        .arg(repository().join("sam/verify.py"))
        .arg(&stack.name)
        .envs(aws.cli_environment())
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
    let filter = "logs filter-log-events --filter-pattern execution_started";
    let found = stack::cli(aws, &format!("{filter} --log-group-name {log_group}")).await?;
    let lines = found["events"].as_array().into_iter().flatten();
    let lines = lines.filter_map(|event| event["message"].as_str());
    let documents = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(documents
        .filter_map(|line| line["execution_started"].as_bool())
        .collect())
}
