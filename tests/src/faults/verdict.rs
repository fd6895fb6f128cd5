//! What is wrong with an outcome, by what the stand-in has recorded and the engine says of the execution.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use stand_in::{AcceptedStatus, Call, Function, Invalidation, Operation};

use super::{
    cases::{Case, End, Incident, Kind},
    lab::{SHORT_TIMEOUT, SHORT_WAIT, USUAL_WAIT, machine_timeout},
};
use crate::scenario::Decider;

/// CodeDeploy gives a hook an hour.
const HOUR: Duration = Duration::from_hours(1);
/// Between two tries of the hook function, and of the queue's messages.
const MINUTE: Duration = Duration::from_mins(1);

/// An execution that has ended, or not.
#[derive(Debug, Clone)]
pub struct Execution {
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`, or `RUNNING` when patience came to its end.
    pub status: String,
    /// The error's name.
    pub error: Option<String>,
    /// The error's cause.
    pub cause: Option<String>,
}

/// What came of a case.
#[derive(Debug)]
pub struct Outcome {
    /// When the hook event was delivered.
    pub began: SystemTime,
    /// The execution, if one was started.
    pub execution: Option<Execution>,
    /// The answers that CodeDeploy took.
    pub taken: Vec<AcceptedStatus>,
    /// The invalidations that CloudFront made.
    pub made: Vec<Invalidation>,
    /// Every call, and when it was answered.
    pub log: Vec<Call>,
    /// Whether a message about it lies in the queue of what nobody could answer.
    pub dead_letter: bool,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// CodeDeploy has no answer, or not in time.
    Unanswered(String),
    /// It has the wrong one, more than one, or the execution does not end as documented.
    Answer(String),
    /// A distribution was purged more than once.
    DoublePurge(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unanswered(what) => write!(f, "unanswered: {what}"),
            Self::Answer(what) => write!(f, "wrong answer: {what}"),
            Self::DoublePurge(what) => write!(f, "double purge: {what}"),
        }
    }
}

/// All that is wrong; nothing if the case ended as it must. `definition` is the state machine's.
#[must_use]
pub fn judge(case: &Case, outcome: &Outcome, definition: &Value) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let answers: Vec<_> = outcome.taken.iter().map(|taken| &taken.status).collect();
    match (case.expected_answer(), &answers[..]) {
        (None, []) | (Some(_), [_]) => {}
        (Some(expected), []) => wrong.push(Wrong::Unanswered(format!("{expected} was due"))),
        _ => wrong.push(Wrong::Answer(format!("CodeDeploy took {answers:?}"))),
    }
    if let (Some(expected), [told]) = (case.expected_answer(), &answers[..])
        && *told != expected
    {
        wrong.push(Wrong::Answer(format!("{told} instead of {expected}")));
    }
    if let Some(taken) = outcome.taken.first() {
        if case.decider == Decider::Completion
            && !case.answered_by_hand()
            && !was_completed_before(outcome, taken.at)
        {
            let what = "Succeeded before CloudFront had said Completed of both".into();
            wrong.push(Wrong::Answer(what));
        }
        let after = own_time(case, outcome, definition, taken.at);
        if after >= HOUR {
            let what = format!("not before {} s of the machine's own time", after.as_secs());
            wrong.push(Wrong::Unanswered(what));
        }
    }
    if case.deaf != outcome.dead_letter && !(outcome.dead_letter && case.is_deaf_later()) {
        wrong.push(Wrong::Unanswered(format!(
            "in the queue of what nobody could answer: {}",
            outcome.dead_letter
        )));
    }
    let looked_up = |call: &Call| call.operation == Operation::DescribeExecution;
    if case.incident == Incident::HugeInputStopped && !outcome.log.iter().any(looked_up) {
        let what = "the input was in the event: it has to be too large for that".into();
        wrong.push(Wrong::Answer(what));
    }
    if let Some(what) = wrong_end(case, outcome) {
        wrong.push(Wrong::Answer(what));
    }
    for (place, _) in case.completed.iter().enumerate().filter(|(_, must)| **must) {
        let its = |made: &&Invalidation| made.item() == Some(place);
        let made = outcome.made.iter().find(its);
        if matches!(case.end, End::Failed(_))
            && made.is_none_or(|made| made.shown_completed.is_none())
        {
            let what = format!("the invalidation at place {place} was left alone: {made:?}");
            wrong.push(Wrong::Answer(what));
        }
    }
    let mut purges = BTreeMap::new();
    for made in &outcome.made {
        *purges.entry(&made.distribution_id).or_insert(0) += 1;
    }
    if purges.values().any(|count| *count > 1) {
        wrong.push(Wrong::DoublePurge(format!("{purges:?}")));
    }
    wrong
}

/// The execution's end, error and cause are the documented ones.
fn wrong_end(case: &Case, outcome: &Outcome) -> Option<String> {
    let found = outcome.execution.as_ref();
    let status = found.map_or("none", |execution| &execution.status);
    let (expected, errors): (_, &[&str]) = match case.end {
        End::NoExecution => ("none", &[]),
        End::Succeeded => ("SUCCEEDED", &[]),
        End::Failed(errors) => ("FAILED", errors),
        End::TimedOut => ("TIMED_OUT", &[]),
        End::Aborted => ("ABORTED", &[]),
    };
    if status != expected {
        return Some(format!(
            "the execution: {status} instead of {expected}: {found:?}"
        ));
    }
    let (End::Failed(_), Some(found)) = (case.end, found) else {
        return None;
    };
    let error = found.error.as_deref().unwrap_or_default();
    if !errors.contains(&error) {
        return Some(format!(
            "the error {error} is none of {errors:?}: {found:?}"
        ));
    }
    let text = found.cause.as_deref().unwrap_or_default();
    let told = match case.expected_answer() {
        _ if error == "InvalidatedButNotReported" => {
            vec!["The invalidations are completed, but ".to_owned()]
        }
        Some(answer) => vec![
            format!("Reported {answer} to CodeDeploy for deployment"),
            // Where it took the answer of an attempt that never heard so.
            format!("was already completed; {answer} was not recorded"),
            // Or did not take it from the state machine.
            format!("Also, CodeDeploy rejected status {answer} for deployment"),
        ],
        None => Vec::new(),
    };
    let says_it = told.is_empty() || told.iter().any(|words| text.contains(words));
    (!says_it).then(|| format!("the cause says none of {told:?}: {text:?}"))
}

impl Case {
    /// What CodeDeploy must be told.
    pub(super) fn expected_answer(&self) -> Option<&'static str> {
        match self.incident {
            Incident::AnsweredByHand(answer) => Some(answer),
            _ => self.decider.answer(self.policies),
        }
    }

    fn answered_by_hand(&self) -> bool {
        matches!(self.incident, Incident::AnsweredByHand(_))
    }

    /// Whether CodeDeploy took an answer, but nobody may ever hear of it.
    fn is_deaf_later(&self) -> bool {
        self.plans.iter().any(|(operation, _, times, _)| {
            *operation == Operation::PutLifecycleEventHookExecutionStatus && *times == usize::MAX
        })
    }
}

fn was_completed_before(outcome: &Outcome, at: SystemTime) -> bool {
    outcome.made.len() == 2
        && outcome
            .made
            .iter()
            .all(|made| made.shown_completed.is_some_and(|shown| shown <= at))
}

/// How long after the hook event this moment was in the machine's own time, at most: the time that passed here, and all
/// that was cut out of it: what the Wait states and the delays before retries would have taken, in full.
fn own_time(case: &Case, outcome: &Outcome, definition: &Value, at: SystemTime) -> Duration {
    let before = || outcome.log.iter().filter(|call| call.at <= at);
    let passed = at.duration_since(outcome.began).unwrap_or_default();
    let last_report = before()
        .filter(|call| call.operation == Operation::Invoke(Function::Report))
        .map(|call| call.at)
        .next_back();
    // A report that no state asked for is the queue's: a minute for each message it could not deliver.
    let by_the_net: u32 = before()
        .filter(|call| {
            call.operation == Operation::PutLifecycleEventHookExecutionStatus
                && call.error.is_some()
                && last_report.is_none_or(|last| call.at > last)
        })
        .map(|_| 1)
        .sum();
    let waits = by_the_net * MINUTE
        + MINUTE
        + [
            (Function::Create, "CreateInvalidation"),
            (Function::Check, "CheckInvalidations"),
            (Function::Report, "ReportSucceeded"),
        ]
        .map(|(function, state)| {
            let calls = before().filter(|call| call.operation == Operation::Invoke(function));
            delays(calls, retriers(definition, state))
        })
        .into_iter()
        .sum::<Duration>();
    match case.stack {
        // Here the limit itself was shortened: it stands for itself, and only what came after it is counted.
        Kind::Overdue => USUAL_WAIT + passed.saturating_sub(SHORT_WAIT) + by_the_net * MINUTE,
        Kind::TimedOut => {
            let after = passed.saturating_sub(SHORT_TIMEOUT);
            machine_timeout(definition) + after + by_the_net * MINUTE
        }
        Kind::Usual | Kind::Quiet | Kind::Misconfigured => passed + waits,
    }
}

fn retriers<'a>(definition: &'a Value, state: &str) -> &'a Value {
    let states = &definition["States"];
    let inner = &states["CreateInvalidations"]["ItemProcessor"]["States"];
    let found = states.get(state).or_else(|| inner.get(state));
    found.map_or(&Value::Null, |state| &state["Retry"])
}

/// The delays before the retries of these invocations, in full, and the waits that their results ask for.
fn delays<'a>(calls: impl Iterator<Item = &'a Call>, retriers: &Value) -> Duration {
    let mut total = Duration::ZERO;
    let mut used: BTreeMap<(Option<String>, usize), i32> = BTreeMap::new();
    for call in calls {
        let place = call.caller_reference.clone();
        let Some(error) = &call.error else {
            used.retain(|(other, _), _| *other != place);
            continue;
        };
        let retriers = retriers.as_array().into_iter().flatten().enumerate();
        let found = retriers.into_iter().find(|(_, retrier)| {
            let names = retrier["ErrorEquals"].as_array().into_iter().flatten();
            let mut names = names.filter_map(Value::as_str);
            names.any(|name| name == error || name == "States.ALL")
        });
        let Some((number, retrier)) = found else {
            continue;
        };
        let count = used.entry((place, number)).or_default();
        if i64::from(*count) < retrier["MaxAttempts"].as_i64().unwrap_or(3) {
            let interval = retrier["IntervalSeconds"].as_f64().unwrap_or(1.0);
            let backoff = retrier["BackoffRate"].as_f64().unwrap_or(2.0);
            let longest = retrier["MaxDelaySeconds"].as_f64().unwrap_or(f64::MAX);
            let delay = (interval * backoff.powi(*count)).min(longest);
            total += Duration::from_secs_f64(delay);
            *count += 1;
        }
    }
    total
}
