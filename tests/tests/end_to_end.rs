//! Every scenario of the demo, with the two policies each way, on the real stack on a local AWS.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

mod plant;

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tests::{
    docs::check_generated,
    follow::Unwatched,
    local_aws::{LocalAws, repository, tool},
    permissions,
    scenario::{self, Policies, SCENARIOS, Scenario},
    stack::{self, Invocation, Stack},
};
use tokio::{
    process::Command,
    runtime::Runtime,
    sync::{Mutex, OnceCell},
};

/// They mostly wait: many fit on few processors.
const TRIALS_AT_A_TIME: usize = 16;

/// Parameters that no stack can have.
const REFUSED: &[(&str, &str)] = &[
    ("DistributionIds", "E2QWRUHAPOMQZL,not-an-id"),
    ("MaxWaitSeconds", "3600"),
    ("OnInvalidationFailure", "Perhaps"),
    ("Paths", "/ok,index.html"),
    ("Paths", "/a*b"),
    ("Paths", "/static/runtime~main.js"),
    ("HookFunctionName", "purge-hook"),
];

/// What `make verify` is tried on: names given, alarms with a topic, two paths as the README spells them.
const VERIFIED: &[(&str, &str)] = &[
    ("DistributionIds", "E2QWRUHAPOMQZL,E1WEBSITE00001"),
    ("Paths", "/index.html,/static/*"),
    ("HookFunctionName", "CodeDeployHook_web"),
    ("StateMachineLogLevel", "ERROR"),
];

type Parameters = Vec<(&'static str, &'static str)>;

/// What a stack is deployed with, and the scenario that breaks it, if one does: the others share it.
type StackKey = (Parameters, Option<&'static str>);

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TRIALS_AT_A_TIME);
    let lab = Arc::new(Lab {
        aws: OnceCell::new(),
        stacks: Mutex::default(),
        runtime: Runtime::new()?,
    });
    let cases = SCENARIOS
        .iter()
        .flat_map(|scenario| Policies::EACH_WAY.map(|policies| (scenario, policies)))
        .map(|(scenario, policies)| {
            let name = format!(
                "{}, OnInvalidationFailure={} OnInvalidationTimeout={}",
                scenario.name,
                policies.on_invalidation_failure(),
                policies.on_invalidation_timeout()
            );
            let lab = Arc::clone(&lab);
            Trial::test(name, move || {
                lab.runtime.block_on(lab.meets(scenario, policies))
            })
        });
    let refusals = REFUSED.iter().map(|(name, value)| {
        let lab = Arc::clone(&lab);
        Trial::test(format!("the template refuses {name}={value}"), move || {
            lab.runtime.block_on(lab.refuses(name, value))
        })
    });
    let verify = {
        let lab = Arc::clone(&lab);
        Trial::test("verify passes, and finds what is planted", move || {
            lab.runtime.block_on(lab.verifies())
        })
    };
    let trials = cases.chain(refusals).chain([verify]).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() || conclusion.num_filtered_out > 0 || arguments.list {
        return Ok(conclusion.exit_code());
    }
    // When all has happened that a role can be used for, and that is logged.
    let roles = {
        let lab = Arc::clone(&lab);
        Trial::test(
            "each role may do what it did, and nothing else",
            move || lab.runtime.block_on(lab.examines_roles()),
        )
    };
    let logs = Trial::test(
        "the alarm's filter finds the hooks without an execution in the logs",
        move || lab.runtime.block_on(lab.finds_not_started()),
    );
    Ok(libtest_mimic::run(&arguments, vec![roles, logs]).exit_code())
}

/// The local AWS and its stacks, made when a trial first needs them, and gone with the last trial.
struct Lab {
    aws: OnceCell<LocalAws>,
    /// Locked for as long as a deployment takes: two at once would both make the bucket that sam keeps its uploads in.
    stacks: Mutex<BTreeMap<StackKey, Stack>>,
    runtime: Runtime,
}

impl Lab {
    async fn aws(&self) -> Result<&LocalAws> {
        self.aws.get_or_try_init(LocalAws::start).await
    }

    async fn stack(&self, scenario: &Scenario, policies: Policies) -> Result<Stack> {
        let aws = self.aws().await?;
        let mut parameters = scenario.parameters(policies);
        parameters.extend(permissions::DEPLOYMENT_GROUP);
        let key = (
            parameters,
            scenario
                .incident
                .breaks_the_stack()
                .then_some(scenario.name),
        );
        let mut stacks = self.stacks.lock().await;
        if let Some(stack) = stacks.get(&key) {
            return Ok(stack.clone());
        }
        let stack = stack::deploy(aws, &format!("test-{}", stacks.len()), &key.0).await?;
        stacks.insert(key, stack.clone());
        Ok(stack)
    }

    async fn meets(&self, scenario: &Scenario, policies: Policies) -> Result<(), Failed> {
        let aws = self.aws().await?;
        let stack = self.stack(scenario, policies).await?;
        // How CodeDeploy invokes is not documented: each scenario meets both.
        let invocation = if policies.failed_continues {
            Invocation::Asynchronous
        } else {
            Invocation::Synchronous
        };
        let outcome = scenario::run(aws, &stack, scenario, invocation, &mut Unwatched).await?;
        let faults = scenario.judge(&outcome, policies);
        if faults.is_empty() {
            Ok(())
        } else {
            Err(format!("{}\n{outcome:#?}", faults.join("\n")).into())
        }
    }

    async fn examines_roles(&self) -> Result<(), Failed> {
        let aws = self.aws().await?;
        let stacks = self.stacks.lock().await;
        let all: Vec<_> = stacks.values().cloned().collect();
        let table = permissions::examine(aws, &all).await?;
        let mut problems = table.problems;
        if let Err(outdated) = check_generated("docs/SECURITY.md", "permissions", &table.table) {
            problems.push(outdated.to_string());
        }
        // Whether IAM knows deployment groups in this action is not known.
        let defaults = [("DistributionIds", "E2QWRUHAPOMQZL")];
        let any = stack::deploy(aws, "any-deployment", &defaults).await?;
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
        let topic = stack::cli(aws, &["sns", "create-topic", "--name", "alarms"]).await?;
        let topic = topic["TopicArn"].as_str().unwrap_or_default();
        let endpoint = [
            "--protocol",
            "email",
            "--notification-endpoint",
            "a@example.com",
        ];
        stack::cli(
            aws,
            &[&["sns", "subscribe", "--topic-arn", topic], &endpoint[..]].concat(),
        )
        .await?;
        let stack = {
            let _turn = self.stacks.lock().await;
            let parameters = [VERIFIED, &[("AlarmTopicArn", topic)]].concat();
            stack::deploy(aws, "verified", &parameters).await?
        };
        let mut problems = Vec::new();
        let invalidates = "E2QWRUHAPOMQZL, E1WEBSITE00001: /index.html, /static/*";
        if stack.outputs["Invalidates"] != invalidates {
            problems.push(format!("the output is {}", stack.outputs["Invalidates"]));
        }
        let found = verify(aws, &stack).await?;
        if !found.contains("\nverify: ") || !found.contains(" 0 failed") {
            problems.push(format!("it fails where nothing is planted:\n{found}"));
        }
        plant::disabled_mapping(aws, &stack).await?;
        let found = verify(aws, &stack).await?;
        for row in ["failed   a stopped execution is reported", ", 1 failed"] {
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
        let stacks = self.stacks.lock().await;
        for (scenario, log_group, expected) in [
            ("no-start", "HookLogGroup", false),
            ("bad-settings", "HookLogGroup", false),
            ("hook-fails", "HookLogGroup", false),
            ("hook-fails", "ReportStatusLogGroup", false),
            ("", "HookLogGroup", true),
            ("", "ReportStatusLogGroup", true),
        ] {
            let of = |(_, broken_by): &&StackKey| broken_by.unwrap_or_default() == scenario;
            let key = stacks.keys().find(of).ok_or("no stack")?;
            let group = stacks[key].resource(aws, log_group).await?;
            let found = started_fields(aws, &group).await?;
            if found.is_empty() || found.iter().any(|started| *started != expected) {
                return Err(format!("{scenario}, {log_group}: {found:?}").into());
            }
        }
        Ok(())
    }

    async fn refuses(&self, name: &str, value: &str) -> Result<(), Failed> {
        let aws = self.aws().await?;
        let mut parameters = BTreeMap::from([("DistributionIds", "E2QWRUHAPOMQZL")]);
        parameters.insert(name, value);
        let parameters: Vec<_> = parameters.into_iter().collect();
        let _turn = self.stacks.lock().await;
        match stack::deploy(aws, "refused", &parameters).await {
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
        .env("VERIFY_REPORT_PATIENCE", "20")
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run Python; `make tools` installs it")?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// What the lines of a log say in the field that the metric filters are about.
async fn started_fields(aws: &LocalAws, log_group: &str) -> Result<Vec<bool>> {
    let filter = ["--filter-pattern", "execution_started"];
    let arguments = ["logs", "filter-log-events", "--log-group-name", log_group];
    let found = stack::cli(aws, &[&arguments[..], &filter].concat()).await?;
    let lines = found["events"].as_array().into_iter().flatten();
    let lines = lines.filter_map(|event| event["message"].as_str());
    let documents = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(documents
        .filter_map(|line| line["execution_started"].as_bool())
        .collect())
}
