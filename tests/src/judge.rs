//! Whether a case ended as it must: one function for each guarantee.

use std::{
    collections::BTreeMap,
    fmt,
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::Value;
use shared::codedeploy::HookStatus;
use stand_in::{AcceptedStatus, Call, Invalidation, Operation};

use crate::{
    case::{Case, Change, DeadLetter, End, StatusFrom},
    environment::SkippedTime,
    follow::Ended,
    local_aws::repository,
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

/// A guarantee that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// CodeDeploy has no status, or had none in time.
    NoStatus(String),
    /// CodeDeploy has a wrong status, or the execution doesn't end as documented.
    Wrong(String),
    /// A distribution was invalidated more than once.
    InvalidatedTwice(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStatus(what) => write!(f, "no status: {what}"),
            Self::Wrong(what) => write!(f, "wrong: {what}"),
            Self::InvalidatedTwice(what) => write!(f, "invalidated twice: {what}"),
        }
    }
}

pub fn judge(case: &Case, outcome: &Outcome) -> Vec<Violation> {
    [
        one_status_and_the_right_one,
        within_the_hour,
        never_succeeded_too_early,
        one_invalidation_for_each_distribution,
        the_others_are_completed,
        the_documented_end,
        what_engineers_read,
        the_dead_letter_queue,
        the_expected_calls,
    ]
    .into_iter()
    .filter_map(|guarantee| guarantee(case, outcome))
    .collect()
}

fn one_status_and_the_right_one(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let expected = case.expected_status().map(HookStatus::as_str);
    let found: Vec<_> = outcome.statuses.iter().map(|s| s.status.as_str()).collect();
    match (expected, &found[..]) {
        (Some(expected), []) => Some(Violation::NoStatus(format!("{expected} was due"))),
        _ if found == Vec::from_iter(expected) => None,
        _ => Some(Violation::Wrong(format!(
            "CodeDeploy has {found:?} instead of {expected:?}"
        ))),
    }
}

fn within_the_hour(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let accepted = outcome.statuses.first()?.at;
    // A limit that is shorter than deployed stands for its full length. What the engines skip before it is over, they skip
    // within it.
    let mut max_wait = case.stack.parameters.iter();
    let max_wait = max_wait.find(|(name, _)| *name == "MaxWaitSeconds");
    let (shortened, limit) = match (case.stack.change, max_wait) {
        (Some(Change::TimeoutSeconds(seconds)), _) => (seconds, machine_timeout()),
        (_, Some((_, seconds))) => {
            let seconds = seconds.parse().expect("MaxWaitSeconds is a number");
            (seconds, DEFAULT_MAX_WAIT)
        }
        (_, None) => (0, Duration::ZERO),
    };
    let shortened = Duration::from_secs(shortened);
    let passed = accepted.duration_since(outcome.began).unwrap_or_default();
    let skipped = outcome.skipped.iter();
    let skipped = skipped.filter(|s| s.is_between(outcome.began + shortened, accepted));
    let skipped: Duration = skipped.map(SkippedTime::duration).sum();
    let took = limit + passed.saturating_sub(shortened) + skipped;
    (took >= HOUR).then(|| Violation::NoStatus(format!("only after {} s", took.as_secs())))
}

fn machine_timeout() -> Duration {
    static TIMEOUT: LazyLock<Duration> = LazyLock::new(|| {
        let file = repository().join("statemachine/invalidate.asl.json");
        let text = std::fs::read_to_string(file).expect("the definition is readable");
        let definition: Value = serde_json::from_str(&text).expect("the definition is JSON");
        let seconds = definition["TimeoutSeconds"].as_u64();
        Duration::from_secs(seconds.expect("the definition has a TimeoutSeconds"))
    });
    *TIMEOUT
}

fn never_succeeded_too_early(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let accepted = outcome.statuses.first()?.at;
    let completed = outcome.invalidations.iter();
    let completed = completed.filter(|i| i.shown_completed.is_some_and(|at| at <= accepted));
    let is_due = case.stack.distribution_ids().count() == completed.count();
    (case.expected.status == StatusFrom::Completion && !is_due).then(|| {
        let what = "Succeeded before CloudFront had said Completed for all distributions";
        Violation::Wrong(what.to_owned())
    })
}

fn one_invalidation_for_each_distribution(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let mut counts = BTreeMap::new();
    for invalidation in &outcome.invalidations {
        *counts.entry(&invalidation.distribution_id).or_insert(0) += 1;
    }
    if counts.values().any(|count| *count > 1) {
        return Some(Violation::InvalidatedTwice(format!("{counts:?}")));
    }
    let expected = case.expected.invalidations?;
    (counts.len() != expected)
        .then(|| Violation::Wrong(format!("{expected} invalidations, but {counts:?}")))
}

fn the_others_are_completed(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let End::Failed(_) = case.expected.execution else {
        return None;
    };
    let is_completed = |item: &&usize| {
        let mut invalidations = outcome.invalidations.iter();
        invalidations.any(|i| i.item() == Some(**item) && i.shown_completed.is_some())
    };
    let expected = &case.expected.completed;
    let abandoned: Vec<_> = expected.iter().filter(|item| !is_completed(item)).collect();
    (!abandoned.is_empty()).then(|| {
        let found = &outcome.invalidations;
        Violation::Wrong(format!(
            "not watched until completed: items {abandoned:?} of {found:?}"
        ))
    })
}

fn the_documented_end(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let found = outcome.execution.as_ref();
    let error = found.and_then(|ended| ended.error.as_deref());
    let (expected, errors) = match case.expected.execution {
        End::NotStarted => (None, None),
        End::Succeeded => (Some(ExecutionStatus::Succeeded), None),
        End::Failed(errors) => (Some(ExecutionStatus::Failed), Some(errors)),
        End::TimedOut => (Some(ExecutionStatus::TimedOut), None),
        // moto does not keep the error that StopExecution was given.
        End::Aborted => (Some(ExecutionStatus::Aborted), None),
    };
    let is_as_documented = found.map(|ended| ended.status.clone()) == expected
        && errors.is_none_or(|errors| errors.contains(&error.unwrap_or_default()));
    (!is_as_documented).then(|| {
        let expected = case.expected.execution;
        Violation::Wrong(format!("the execution: {found:?} instead of {expected:?}"))
    })
}

/// The output or the cause sums up what happened.
fn what_engineers_read(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let ended = outcome.execution.as_ref()?;
    let status = case.expected_status().map(HookStatus::as_str);
    if ended.status == ExecutionStatus::Succeeded {
        let rows = ended.output["invalidations"].as_array().map(Vec::len);
        let reported = ended.output["codeDeploy"]["reportedStatus"].as_str();
        let is_summed_up = rows == Some(case.stack.distribution_ids().count())
            // Where faults meet the report, the output says what became of it.
            && (case.expected.reports.is_none() || reported == status);
        return (!is_summed_up)
            .then(|| Violation::Wrong(format!("the output is {}", ended.output)));
    }
    let End::Failed(_) = case.expected.execution else {
        return None;
    };
    let text = ended.cause.as_deref().unwrap_or_default();
    let said = match status {
        _ if ended.error.as_deref() == Some("InvalidatedButNotReported") => {
            vec!["The invalidations are completed, but ".to_owned()]
        }
        Some(status) => vec![
            format!("Reported {status} to CodeDeploy for deployment"),
            // Where an earlier attempt's report was accepted.
            format!("was already completed; {status} was not recorded"),
            // Where the queue of pending reports succeeds later.
            format!("Also, CodeDeploy rejected status {status} for deployment"),
        ],
        None => vec![String::new()],
    };
    let expected = case
        .expected
        .cause
        .replace("{status}", status.unwrap_or_default());
    let says_it = said.iter().any(|words| text.contains(words))
        && expected.split(" … ").all(|words| text.contains(words));
    (!says_it).then(|| {
        Violation::Wrong(format!(
            "the cause has to say {expected:?} and one of {said:?}: {text:?}"
        ))
    })
}

fn the_dead_letter_queue(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let is_there = outcome.dead_letter?;
    let is_wrong = match case.expected.dead_letter {
        DeadLetter::No => is_there,
        DeadLetter::Yes => !is_there,
        DeadLetter::Either => false,
    };
    let what = format!("a message in the dead-letter queue: {is_there}");
    is_wrong.then_some(Violation::NoStatus(what))
}

fn the_expected_calls(case: &Case, outcome: &Outcome) -> Option<Violation> {
    let count = |operation| {
        let calls = outcome.calls.iter();
        calls.filter(|call| call.operation == operation).count()
    };
    let reports = count(Operation::PutLifecycleEventHookExecutionStatus);
    if case
        .expected
        .reports
        .is_some_and(|expected| expected != reports)
    {
        let expected = case.expected.reports;
        return Some(Violation::Wrong(format!(
            "{reports} reports instead of {expected:?}"
        )));
    }
    let missing = case
        .expected
        .call
        .filter(|operation| count(*operation) == 0)?;
    Some(Violation::Wrong(format!("{missing:?} was never called")))
}
