//! Guarantees about whoever is not CodeDeploy: Amazon ECS, engineers, rollbacks and edge locations.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::Value;
use stand_in::{Fault, Operation};

use super::Outcome;
use crate::{
    case::{Case, StatusFrom, Trigger},
    ecs::{self, StageResult},
};

/// In particular none for a rollback that has not happened.
pub(super) fn no_other_execution(case: &Case, outcome: &Outcome) -> Result<()> {
    // Each hook of a deployment has an execution of its own.
    if case.deployment.is_some() {
        return Ok(());
    }
    let starts = outcome.calls.iter();
    let starts = starts.filter(|call| call.operation == Operation::StartExecution);
    let names: BTreeSet<_> = starts.map(|call| &call.subject).collect();
    ensure!(
        names.len() <= 1,
        "several executions were started: {names:?}"
    );
    Ok(())
}

pub(super) fn what_the_edge_serves(case: &Case, outcome: &Outcome) -> Result<()> {
    let Some(expected) = &case.expected.edge else {
        return Ok(());
    };
    let found = outcome
        .execution
        .as_ref()
        .map(|ended| &ended.output["edge"]);
    ensure!(
        found.is_some_and(|edge| edge[0]["outcome"] == **expected),
        "the URLs are not {expected}: {found:?}"
    );
    Ok(())
}

pub(super) fn what_a_manual_invocation_returns(case: &Case, outcome: &Outcome) -> Result<()> {
    let Trigger::Manual(event) = &case.trigger else {
        return Ok(());
    };
    let expected = if event["dryRun"] == true {
        "DryRun"
    } else {
        "Started"
    };
    let response = &outcome.hook_response;
    let found: Value = serde_json::from_str(response).unwrap_or_default();
    ensure!(
        found["outcome"] == expected,
        "the hook function returned {response}"
    );
    Ok(())
}

/// ECS gets a valid response from each call, at once if there is nothing to wait for.
pub(super) fn amazon_ecs_never_waits_for_nothing(case: &Case, outcome: &Outcome) -> Result<()> {
    let is_right = |result: &StageResult| match result.stage {
        ecs::STAGE => result.is_valid(),
        _ => result.last == "SUCCEEDED" && result.calls == 1,
    };
    let crashes = case.expected.status == StatusFrom::Crash;
    ensure!(
        crashes || outcome.ecs.iter().all(is_right),
        "the function responded {:?} to Amazon ECS",
        outcome.ecs
    );
    Ok(())
}

/// Amazon ECS says so often that the rollback has not ended.
pub(super) fn never_before_the_end_of_the_rollback(case: &Case, outcome: &Outcome) -> Result<()> {
    let describe = Operation::DescribeServiceDeployments;
    let not_ended = case.faults.iter();
    let not_ended =
        not_ended.filter(|f| f.operation == describe && matches!(f.fault, Fault::Response(_)));
    let not_ended: usize = not_ended.map(|f| f.times.unwrap_or(usize::MAX)).sum();
    let calls = outcome.calls.iter();
    let before = calls.take_while(|call| call.operation != Operation::StartExecution);
    let described = before.filter(|call| call.operation == describe).count();
    ensure!(
        outcome.execution.is_none() || not_ended == 0 || described > not_ended,
        "started after {described} of {not_ended} responses that the rollback had not ended"
    );
    Ok(())
}
