//! Every scenario of the demo, with the two policies each way, on the real stack on a local AWS.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use tests::{
    follow::Unwatched,
    local_aws::LocalAws,
    permissions,
    scenario::{self, Policies, SCENARIOS, Scenario},
    stack::{self, Invocation, Stack},
};
use tokio::{
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
    ("Paths", "/images/%2A"),
    ("HookFunctionName", "purge-hook"),
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
    let trials = cases.chain(refusals).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    if conclusion.has_failed() || conclusion.num_filtered_out > 0 || arguments.list {
        return Ok(conclusion.exit_code());
    }
    // When all has happened that a role can be used for.
    let roles = Trial::test(
        "each role may do what it did, and nothing else",
        move || lab.runtime.block_on(lab.examines_roles()),
    );
    Ok(libtest_mimic::run(&arguments, vec![roles]).exit_code())
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
        println!("\n{table}");
        let mut problems = table.problems.clone();
        if table.wrong_rows() > 0 {
            let what = "rows have a NO: granted and unused, or used and not granted";
            problems.push(format!("{} {what}", table.wrong_rows()));
        }
        // Whether IAM knows deployment groups in this action is not known.
        let defaults = [("DistributionIds", "E2QWRUHAPOMQZL")];
        let any = stack::deploy(aws, "any-deployment", &defaults).await?;
        let narrowed = &all[0];
        let own = permissions::deployment_group("shop", "web");
        let other = permissions::deployment_group("shop", "another");
        let answers = [
            (&any, "*", true),
            (&any, &own, true),
            (narrowed, &own, true),
            (narrowed, &other, false),
            (narrowed, "*", false),
        ];
        for (stack, resource, expected) in answers {
            let found = permissions::may_answer(aws, stack, resource).await?;
            if found != expected {
                let name = &stack.name;
                problems.push(format!(
                    "{name} may answer {resource}: {found}, not {expected}"
                ));
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n").into())
        }
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
