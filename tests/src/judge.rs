//! Whether a case ended as it must: one function for each guarantee.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::{Duration, SystemTime},
};

use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use shared::codedeploy::HookStatus;
use stand_in::{AcceptedStatus, Call, Fault, Invalidation, Operation};

use crate::{
    case::{Case, Change, End, StatusFrom},
    ecs::{self, StageResult},
    follow::Ended,
    interpreter::SkippedTime,
};

/// CodeDeploy waits an hour for a hook's status.
const HOUR: Duration = Duration::from_hours(1);
/// `MaxWaitSeconds`, where a stack has the default.
const DEFAULT_MAX_WAIT: Duration = Duration::from_mins(50);

#[derive(Debug, Clone)]
pub struct Outcome {
    /// When the hook event was delivered.
    pub began: SystemTime,
    /// What the hook function returned, if it was invoked synchronously.
    pub hook_response: String,
    /// What each stage has come to, if it is a deployment of Amazon ECS.
    pub ecs: Vec<StageResult>,
    /// How the execution ended; none if none was started.
    pub execution: Option<Ended>,
    /// The statuses that CodeDeploy accepted for the hook.
    pub statuses: Vec<AcceptedStatus>,
    pub invalidations: Vec<Invalidation>,
    pub calls: Vec<Call>,
    /// What the engines left out of waits.
    pub skipped: Vec<SkippedTime>,
    /// Whether the dead-letter queue has a message about it; none while that is not known.
    pub dead_letter: Option<bool>,
}

/// What a guarantee that does not hold means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// CodeDeploy has no status, or had none in time.
    NoStatus,
    /// CodeDeploy has a wrong status, or the execution doesn't end as documented.
    Wrong,
    /// A distribution was invalidated more than once.
    InvalidatedTwice,
}

/// A guarantee that does not hold, and what happened instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}: {what}")]
pub struct Violation {
    pub kind: Kind,
    pub what: String,
}

/// What happened instead, if it does not hold.
type Guarantee = fn(&Case, &Outcome) -> Option<String>;

const GUARANTEES: [(Kind, Guarantee); 17] = [
    (Kind::NoStatus, a_status),
    (Kind::Wrong, the_right_one_and_no_other),
    (Kind::NoStatus, within_the_hour),
    (Kind::Wrong, never_succeeded_too_early),
    (Kind::InvalidatedTwice, one_invalidation_for_each_target),
    (Kind::Wrong, as_many_invalidations),
    (Kind::Wrong, the_batches),
    (Kind::Wrong, the_others_are_completed),
    (Kind::Wrong, the_documented_end),
    (Kind::Wrong, what_engineers_read),
    (Kind::NoStatus, the_dead_letter_queue),
    (Kind::Wrong, the_expected_calls),
    (Kind::Wrong, no_other_execution),
    (Kind::Wrong, what_a_manual_invocation_returns),
    (Kind::Wrong, what_the_edge_serves),
    (Kind::Wrong, amazon_ecs_never_waits_for_nothing),
    (Kind::Wrong, never_before_the_end_of_the_rollback),
];

pub fn judge(case: &Case, outcome: &Outcome) -> Vec<Violation> {
    let judged = GUARANTEES
        .map(|(kind, guarantee)| guarantee(case, outcome).map(|what| Violation { kind, what }));
    judged.into_iter().flatten().collect()
}

/// What happened, unless that is right.
fn unless(is_right: bool, what: impl FnOnce() -> String) -> Option<String> {
    (!is_right).then(what)
}

/// What was found, if something else is expected.
fn other<T: Debug + PartialEq>(what: &str, found: &T, expected: Option<T>) -> Option<String> {
    let expected = expected.filter(|expected| expected != found)?;
    Some(format!("{what}: {found:?} instead of {expected:?}"))
}

fn a_status(case: &Case, outcome: &Outcome) -> Option<String> {
    let due = case.expected_status()?;
    unless(!outcome.statuses.is_empty(), || format!("{due} was due"))
}

fn the_right_one_and_no_other(case: &Case, outcome: &Outcome) -> Option<String> {
    let found: Vec<_> = outcome.statuses.iter().map(|s| s.status.as_str()).collect();
    let expected = Vec::from_iter(case.expected_status().map(HookStatus::as_str));
    let expected = (!found.is_empty()).then_some(expected);
    other("CodeDeploy's statuses", &found, expected)
}

fn within_the_hour(case: &Case, outcome: &Outcome) -> Option<String> {
    let accepted = outcome.statuses.first()?.at;
    // A limit that is shorter than deployed stands for its full length. What the engines skip before it is over, they skip
    // within it.
    let max_wait = case.stack.parameters.get("MaxWaitSeconds");
    let (shortened, limit) = match (&case.stack.change, max_wait) {
        (Some(Change::TimeoutSeconds(seconds)), _) => (*seconds, machine_timeout()),
        (_, Some(seconds)) => {
            let seconds = seconds.parse().expect("MaxWaitSeconds is a number");
            (seconds, DEFAULT_MAX_WAIT)
        }
        (_, None) => (0, Duration::ZERO),
    };
    let shortened = Duration::from_secs(shortened);
    let passed = accepted.duration_since(outcome.began).unwrap_or_default();
    let skipped = outcome.skipped.iter();
    let skipped = skipped.map(|s| s.between(outcome.began + shortened, accepted));
    let skipped: Duration = skipped.sum();
    let took = limit + passed.saturating_sub(shortened) + skipped;
    unless(took < HOUR, || format!("only after {} s", took.as_secs()))
}

fn machine_timeout() -> Duration {
    const DEFINITION: &str = include_str!("../../statemachine/invalidate.asl.json");
    let definition: Value = serde_json::from_str(DEFINITION).expect("the definition is JSON");
    let seconds = definition["TimeoutSeconds"].as_u64();
    Duration::from_secs(seconds.expect("the definition has a TimeoutSeconds"))
}

fn never_succeeded_too_early(case: &Case, outcome: &Outcome) -> Option<String> {
    let accepted = outcome.statuses.first()?.at;
    let completed = outcome.invalidations.iter();
    let completed = completed.filter(|i| i.shown_completed.is_some_and(|at| at <= accepted));
    let is_due = case.row_count() == completed.count();
    unless(
        is_due || case.expected.status != StatusFrom::Completion,
        || "Succeeded before CloudFront had said Completed for all invalidations".to_owned(),
    )
}

fn count_by_target(outcome: &Outcome) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for invalidation in &outcome.invalidations {
        *counts.entry(&*invalidation.target_id).or_default() += 1;
    }
    counts
}

fn one_invalidation_for_each_target(case: &Case, outcome: &Outcome) -> Option<String> {
    let counts = count_by_target(outcome);
    let expected = 1 + usize::from(case.expected.again);
    let is_right = counts.values().all(|count| *count == expected);
    unless(is_right, || format!("{counts:?}"))
}

fn as_many_invalidations(case: &Case, outcome: &Outcome) -> Option<String> {
    let counts = count_by_target(outcome);
    let what = format!("the number of invalidations in {counts:?}");
    other(&what, &counts.len(), case.expected.invalidations)
}

fn the_batches(case: &Case, outcome: &Outcome) -> Option<String> {
    let found = outcome.invalidations.iter();
    let found = found.map(|i| (i.target_id.clone(), i.paths.clone()));
    let expected = case.expected.batches.clone();
    other("the batches", &found.collect(), expected)
}

fn the_others_are_completed(case: &Case, outcome: &Outcome) -> Option<String> {
    let is_completed = |item: &usize| {
        let mut invalidations = outcome.invalidations.iter();
        invalidations.any(|i| i.item() == Some(*item) && i.shown_completed.is_some())
    };
    let fails = matches!(case.expected.execution, End::Failed(_));
    let (expected, found) = (&case.expected.completed, &outcome.invalidations);
    unless(!fails || expected.iter().all(is_completed), || {
        format!("not watched until completed: one of the items {expected:?} of {found:?}")
    })
}

fn the_documented_end(case: &Case, outcome: &Outcome) -> Option<String> {
    let found = outcome.execution.as_ref();
    let error = found.and_then(|ended| ended.error.as_deref());
    let (status, errors) = match &case.expected.execution {
        End::NotStarted => (None, None),
        End::Succeeded => (Some(ExecutionStatus::Succeeded), None),
        End::Failed(errors) => (Some(ExecutionStatus::Failed), Some(errors)),
        End::TimedOut => (Some(ExecutionStatus::TimedOut), None),
        // moto does not keep the error that StopExecution was given.
        End::Aborted => (Some(ExecutionStatus::Aborted), None),
    };
    let is_documented = errors.is_none_or(|all| all.iter().any(|e| Some(&**e) == error));
    let is_right = is_documented && found.map(|ended| &ended.status) == status.as_ref();
    let expected = &case.expected.execution;
    unless(is_right, || {
        format!("the execution: {found:?} instead of {expected:?}")
    })
}

/// The output or the cause sums up what happened.
fn what_engineers_read(case: &Case, outcome: &Outcome) -> Option<String> {
    let ended = outcome.execution.as_ref()?;
    let status = case.expected_status().map(HookStatus::as_str);
    if ended.status == ExecutionStatus::Succeeded {
        let rows = ended.output["invalidations"].as_array().map(Vec::len);
        let reported = ended.output["codeDeploy"]["reportedStatus"].as_str();
        let is_summed_up = rows == Some(case.row_count())
            // Where faults meet the report, the output says what became of it.
            && (case.expected.reports.is_none() || !outcome.ecs.is_empty() || reported == status);
        if !is_summed_up {
            return Some(format!("the output is {}", ended.output));
        }
    }
    let End::Failed(_) = case.expected.execution else {
        return None;
    };
    let text = ended.cause.as_deref().unwrap_or_default();
    let said = match status {
        _ if ended.error.as_deref() == Some("InvalidatedButNotReported") => {
            vec!["The invalidations are completed, but ".to_owned()]
        }
        _ if !outcome.ecs.is_empty() => vec!["No CodeDeploy hook waits".to_owned()],
        Some(status) => vec![
            format!("Reported {status} to CodeDeploy for deployment"),
            // Where an earlier attempt's report was accepted.
            format!(
                "was already completed, perhaps by an earlier attempt; this report ({status}: "
            ),
            // Where report-status succeeds later, from the queue of pending reports.
            format!("Also, CodeDeploy rejected status {status} for deployment"),
        ],
        None => vec![String::new()],
    };
    let expected = &case.expected.cause;
    let expected = expected.replace("{status}", status.unwrap_or_default());
    let says_it = said.iter().any(|words| text.contains(words))
        && expected.split(" … ").all(|words| text.contains(words));
    unless(says_it, || {
        format!("the cause has to say {expected:?} and one of {said:?}: {text:?}")
    })
}

fn the_dead_letter_queue(case: &Case, outcome: &Outcome) -> Option<String> {
    let (found, expected) = (outcome.dead_letter?, case.expected.dead_letter);
    other("a message in the dead-letter queue", &found, expected)
}

fn the_expected_calls(case: &Case, outcome: &Outcome) -> Option<String> {
    let made: Vec<_> = outcome.calls.iter().map(|call| call.operation).collect();
    let report = Operation::PutLifecycleEventHookExecutionStatus;
    let reports = made.iter().filter(|operation| **operation == report);
    other("reports", &reports.count(), case.expected.reports).or_else(|| {
        let call = case.expected.call?;
        unless(made.contains(&call), || {
            format!("{call:?} was never called")
        })
    })
}

/// In particular none for a rollback that has not happened.
fn no_other_execution(case: &Case, outcome: &Outcome) -> Option<String> {
    let starts = outcome.calls.iter();
    let starts = starts.filter(|call| call.operation == Operation::StartExecution);
    let names: BTreeSet<_> = starts.map(|call| &call.subject).collect();
    // Each hook of a deployment has an execution of its own.
    unless(case.deployment.is_some() || names.len() <= 1, || {
        format!("several were started: {names:?}")
    })
}

fn what_the_edge_serves(case: &Case, outcome: &Outcome) -> Option<String> {
    let ended = outcome.execution.as_ref();
    let edge = ended.map(|ended| &ended.output["edge"]);
    let found = edge.and_then(|edge| edge[0]["outcome"].as_str());
    let expected = case.expected.edge.as_deref().map(Some);
    other(&format!("the first of {edge:?}"), &found, expected)
}

fn what_a_manual_invocation_returns(case: &Case, outcome: &Outcome) -> Option<String> {
    let response = &outcome.hook_response;
    let found: Value = serde_json::from_str(response).unwrap_or_default();
    let expected = case.expected.outcome.as_deref().map(Some);
    other(response, &found["outcome"].as_str(), expected)
}

/// ECS gets a valid response from each call, at once if there is nothing to wait for.
fn amazon_ecs_never_waits_for_nothing(case: &Case, outcome: &Outcome) -> Option<String> {
    let is_right = |result: &StageResult| match result.stage {
        ecs::STAGE => result.is_valid(),
        _ => result.last == "SUCCEEDED" && result.calls == 1,
    };
    let (stages, crashes) = (&outcome.ecs, case.expected.status == StatusFrom::Crash);
    unless(crashes || stages.iter().all(is_right), || {
        format!("the function responded {stages:?} to Amazon ECS")
    })
}

/// Amazon ECS says so often that the rollback has not ended.
fn never_before_the_end_of_the_rollback(case: &Case, outcome: &Outcome) -> Option<String> {
    let describe = Operation::DescribeServiceDeployments;
    let not_ended = case.faults.iter();
    let not_ended =
        not_ended.filter(|f| f.operation == describe && matches!(f.fault, Fault::Response(_)));
    let not_ended: usize = not_ended.map(|f| f.times.unwrap_or(usize::MAX)).sum();
    let calls = outcome.calls.iter();
    let before = calls.take_while(|call| call.operation != Operation::StartExecution);
    let described = before.filter(|call| call.operation == describe).count();
    let has_ended = not_ended == 0 || described > not_ended;
    unless(outcome.execution.is_none() || has_ended, || {
        format!(
            "started after {described} of {not_ended} responses that the rollback had not ended"
        )
    })
}
