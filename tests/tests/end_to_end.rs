//! Every scenario of the demo, with the two policies each way, on the real stack on a local AWS.
//!
//! `make test` builds the functions first. Without the tools that `make tools` installs, all of it fails and says so.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt, stream};
use libtest_mimic::{Arguments, Failed, Trial};
use tests::{
    follow::Unwatched,
    local_aws::LocalAws,
    scenario::{self, Incident, Policies, SCENARIOS, Scenario},
    stack::{self, Invocation, Stack},
};
use tokio::runtime::Runtime;

/// They mostly wait: many fit on few processors.
const TRIALS_AT_A_TIME: usize = 16;
/// `sam deploy` keeps a processor busy.
const DEPLOYMENTS_AT_A_TIME: usize = 2;

/// The policies differ from each other, so that an answer shows which of the two decided.
const POLICIES: [Policies; 2] = [
    Policies {
        failed_continues: false,
        overdue_continues: true,
    },
    Policies {
        failed_continues: true,
        overdue_continues: false,
    },
];

type Parameters = Vec<(&'static str, &'static str)>;

/// What a stack is deployed with, and the scenario that breaks it, if one does: the others share it.
type StackKey = (Parameters, Option<&'static str>);

fn main() -> Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    if arguments.test_threads.is_none() {
        arguments.test_threads = Some(TRIALS_AT_A_TIME);
    }
    let cases: Vec<_> = SCENARIOS
        .iter()
        .flat_map(|scenario| POLICIES.map(|policies| (scenario, policies)))
        .collect();
    if arguments.list {
        let trials = cases
            .iter()
            .map(|(scenario, policies)| Trial::test(title(scenario, *policies), || Ok(())))
            .collect();
        return Ok(libtest_mimic::run(&arguments, trials).exit_code());
    }
    let runtime = Arc::new(Runtime::new()?);
    let aws = Arc::new(runtime.block_on(LocalAws::start())?);
    let stacks = runtime.block_on(deploy(&aws, &cases))?;
    let trials = cases
        .into_iter()
        .map(|(scenario, policies)| {
            let stack = stacks[&key(scenario, policies)].clone();
            let aws = Arc::clone(&aws);
            let runtime = Arc::clone(&runtime);
            Trial::test(title(scenario, policies), move || {
                runtime.block_on(attempt(&aws, &stack, scenario, policies))
            })
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(aws);
    Ok(conclusion.exit_code())
}

fn title(scenario: &Scenario, policies: Policies) -> String {
    format!(
        "{}, OnPurgeFailed={} OnPurgeOverdue={}",
        scenario.name,
        policies.on_purge_failed(),
        policies.on_purge_overdue()
    )
}

fn key(scenario: &Scenario, policies: Policies) -> StackKey {
    let breaks_it = scenario.incident == Incident::NoStateMachine;
    (
        scenario.parameters(policies),
        breaks_it.then_some(scenario.name),
    )
}

async fn deploy(
    aws: &LocalAws,
    cases: &[(&'static Scenario, Policies)],
) -> Result<BTreeMap<StackKey, Stack>> {
    let mut keys: Vec<StackKey> = cases.iter().map(|(s, p)| key(s, *p)).collect();
    keys.sort();
    keys.dedup();
    let one = |(number, key): (usize, StackKey)| async move {
        let stack = stack::deploy(aws, &format!("test-{number}"), &key.0).await?;
        anyhow::Ok((key, stack))
    };
    let mut keys = keys.into_iter().enumerate();
    // Alone, because it also makes sam's own bucket, which two would both want to make.
    let first = one(keys.next().context("there are scenarios")?).await?;
    let others = stream::iter(keys)
        .map(one)
        .buffer_unordered(DEPLOYMENTS_AT_A_TIME)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(others.into_iter().chain([first]).collect())
}

async fn attempt(
    aws: &LocalAws,
    stack: &Stack,
    scenario: &Scenario,
    policies: Policies,
) -> Result<(), Failed> {
    // How CodeDeploy invokes is not documented: each scenario meets both.
    let invocation = if policies.failed_continues {
        Invocation::Asynchronous
    } else {
        Invocation::Synchronous
    };
    let outcome = scenario::run(aws, stack, scenario, invocation, &mut Unwatched).await?;
    let faults = scenario.judge(&outcome, policies);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("{}\n{outcome:#?}", faults.join("\n")).into())
    }
}
