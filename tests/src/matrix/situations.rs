//! Situations that are more, or less, than a fault of one call.

use std::time::Duration;

use serde_json::json;
use shared::codedeploy::HookStatus;
use stand_in::{ConnectionFault, Fault, Function, Operation};

use super::{FEW, INVALID_SETTINGS, MANY, SEARCHED, SHORT_TIMEOUT, SHORT_WAIT, base, rejected};
use crate::{
    case::{Case, End, Intervention, Invocation, StatusFrom, Trigger},
    environment::Engine,
};

const CREATE: Operation = Operation::CreateInvalidation;
const REPORT: Operation = Operation::PutLifecycleEventHookExecutionStatus;

pub(super) fn all() -> Vec<Case> {
    let mut cases = vec![
        base("nothing goes wrong"),
        both_time_out(),
        settings(),
        machine_times_out(),
    ];
    cases.extend([0, 1].into_iter().flat_map(at));
    cases.extend(interventions());
    cases.extend(STATES.map(stopped_in));
    cases.extend(invalid_inputs());
    cases
}

/// What CloudFront does with the invalidation that has this index.
fn at(item: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    let too_many = |times: &str, count| {
        let fault = rejected("TooManyInvalidationsInProgress", 400);
        base(format!(
            "too many invalidations in progress for item {item}, {times}"
        ))
        .fault_at(item, CREATE, count, fault)
    };
    let mut always = too_many("always", usize::MAX).failing_at(item, &["InvalidationNotCreated"]);
    always.stack = SHORT_WAIT;
    always.quick = false;
    cases.extend([too_many("once", 1), too_many("a few times", FEW), always]);

    let unknown = |times: &str, count| {
        base(format!("an undocumented status of item {item}, {times}")).fault_at(
            item,
            Operation::GetInvalidation,
            count,
            Fault::Status("Archiving"),
        )
    };
    let always = unknown("always", usize::MAX).timed_out_at(item);
    cases.extend([unknown("once", 1), unknown("a few times", FEW), always]);

    let in_progress = |name: &str, seconds: Option<u64>| {
        let mut case = base(format!("{name} item {item}"));
        case.invalidations_take[item] = seconds.map(Duration::from_secs);
        case
    };
    cases.push(in_progress("CloudFront never completes", None).timed_out_at(item));
    cases.push(
        in_progress(
            "the report is denied once; CloudFront never completes",
            None,
        )
        .timed_out_at(item)
        .fault(REPORT, 1, rejected("AccessDeniedException", 400)),
    );
    cases.push(in_progress("CloudFront is slow with", Some(8)));

    for code in ["InvalidArgument", "InvalidationBatchAlreadyExists"] {
        let used = "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.";
        let used = Fault::new(code, 400, used);
        let repeated = base(format!(
            "{code} for the repeated caller reference of item {item}"
        ))
        .fault_at(item, CREATE, 1, Fault::After(ConnectionFault::Closed))
        .fault_at(item, CREATE, 1, used.clone());
        let missing = base(format!(
            "{code} for item {item}, but no invalidation has its reference"
        ))
        .fault_at(item, CREATE, usize::MAX, used)
        .failing_at(item, &["CallerReferenceUsed"]);
        cases.extend([repeated, missing].map(|case| Case {
            stack: SEARCHED,
            ..case
        }));
    }
    cases
}

fn both_time_out() -> Case {
    let mut case = base("CloudFront completes neither")
        .taking(None)
        .timed_out_at(0);
    case.expected.completed.clear();
    case
}

fn settings() -> Case {
    Case {
        stack: INVALID_SETTINGS,
        ..base("an invalid path among the hook function's variables").not_started()
    }
}

fn machine_times_out() -> Case {
    let frozen = Fault::Before(ConnectionFault::CallerFrozen);
    Case {
        stack: SHORT_TIMEOUT,
        engines: &[Engine::Moto],
        quick: false,
        ..base("create-invalidation times out until the state machine does")
            .fault_at(0, CREATE, usize::MAX, frozen)
            .ending(End::TimedOut, StatusFrom::OnInvalidationFailure)
    }
}

fn interventions() -> Vec<Case> {
    let with = |name: &str, intervention| Case {
        intervention,
        ..base(name).taking(3)
    };
    let triggered = |name: &str, invocation, times| Case {
        trigger: Trigger::HookEvent(invocation, times),
        ..base(name).taking(3)
    };
    let reported = |status: HookStatus| {
        with(
            &format!("an engineer reports {status} before the invalidations are completed"),
            Intervention::ReportManually(status),
        )
        .ending(End::Succeeded, StatusFrom::Engineer(status))
    };
    vec![
        triggered(
            "the hook function is invoked synchronously",
            Invocation::Synchronous,
            1,
        ),
        triggered(
            "the same hook event three times at once",
            Invocation::Asynchronous,
            3,
        ),
        with(
            "the same hook event again after the end",
            Intervention::HookEventAgain,
        ),
        reported(HookStatus::Succeeded),
        reported(HookStatus::Failed),
        // report-status trusts EventBridge; on AWS this event is never early.
        with(
            "the event of the end while the execution runs",
            Intervention::EarlyEndEvent,
        )
        .taking(20)
        .ending(End::Succeeded, StatusFrom::OnInvalidationFailure),
        the_event_of_the_end_three_times(),
        stopped_with_an_input_too_large_for_the_event(),
        // CodeDeploy has accepted the status, but report-status's response takes long, when the execution is stopped.
        with(
            "stopped while the report is under way",
            Intervention::StopIn("ReportSucceeded"),
        )
        .fault(
            Operation::Invoke(Function::Report),
            1,
            Fault::After(ConnectionFault::NoResponse),
        )
        .ending(End::Aborted, StatusFrom::Completion),
    ]
}

fn the_event_of_the_end_three_times() -> Case {
    let mut case = base("the event of the end three times")
        .fault_at(0, CREATE, 1, rejected("AccessDenied", 403))
        .failing_at(0, &["AccessDenied"]);
    case.intervention = Intervention::EndEventAgain;
    // The state machine's, and one for each event.
    case.expected.reports = Some(4);
    case
}

/// EventBridge's event leaves out an input of more than 248 KiB, so report-status has to ask for it.
fn stopped_with_an_input_too_large_for_the_event() -> Case {
    let path = format!("/{}", "x".repeat(3900));
    let paths: Vec<_> = (0..66).map(|number| format!("{path}{number}")).collect();
    let rest = json!([{ "distributionId": "E1WEBSITE00001", "paths": paths }]);
    let mut case = base("stopped with an input too large for the event")
        .taking(None)
        .stopped();
    case.trigger =
        Trigger::StartExecution(format!(r#"{{ "hook": $HOOK, "invalidations": {rest} }}"#));
    case.intervention = Intervention::StopIn("WaitForInvalidation");
    case.expected.call = Some(Operation::DescribeExecution);
    case
}

const STATES: [&str; 5] = [
    "CreateInvalidations",
    "CheckInvalidations",
    "WaitForInvalidation",
    "ReportSucceeded",
    "ReportFailed",
];

/// The execution is stopped in this state, where faults hold it up.
fn stopped_in(state: &'static str) -> Case {
    let unavailable = || rejected("ServiceUnavailable", 503);
    let case = Case {
        intervention: Intervention::StopIn(state),
        // The queue meets many of the faults that hold up the other states.
        long: state != "WaitForInvalidation",
        quick: state == "WaitForInvalidation",
        ..base(format!("stopped in {state}")).taking(3).stopped()
    };
    match state {
        "CreateInvalidations" => case.fault(CREATE, usize::MAX, unavailable()),
        "CheckInvalidations" => case.fault(
            Operation::Invoke(Function::Check),
            usize::MAX,
            rejected("TooManyRequestsException", 429),
        ),
        "WaitForInvalidation" => case.taking(None),
        "ReportFailed" => case
            .fault_at(1, CREATE, 1, rejected("AccessDenied", 403))
            .fault(REPORT, MANY / 2, unavailable()),
        _ => case.fault(REPORT, MANY / 2, unavailable()),
    }
}

/// Inputs of executions that somebody starts, with a hook whose deployment gets a status…
const INVALID_WITH_HOOK: [&str; 13] = [
    r#"{ "hook": $HOOK }"#,
    r#"{ "hook": $HOOK, "invalidations": null }"#,
    r#"{ "hook": $HOOK, "invalidations": "E1WEBSITE00001" }"#,
    r#"{ "hook": $HOOK, "invalidations": {} }"#,
    r#"{ "hook": $HOOK, "invalidations": [] }"#,
    r#"{ "hook": $HOOK, "invalidations": [null] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{}] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "../E1", "paths": ["/*"] }] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": 7, "paths": ["/*"] }] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": "/*" }] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": [] }] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": ["/💥\u0000'\"{%"] }] }"#,
    r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": [[[[[[[["/*"]]]]]]]] }] }"#,
];
/// …and without one that can be read.
const INVALID_WITHOUT_HOOK: [&str; 3] = [r#"{ "hook": "d-1", "invalidations": [] }"#, "[]", "{}"];

fn invalid_inputs() -> Vec<Case> {
    let case = |input: &str, status| {
        let mut case = base(format!("started with {input}"))
            .failing(&["InvalidInput", "QueryEvaluationError"]);
        case.trigger = Trigger::StartExecution(input.to_owned());
        case.expected.status = status;
        case
    };
    let with_hook = INVALID_WITH_HOOK.map(|input| case(input, StatusFrom::OnInvalidationFailure));
    let without_hook = INVALID_WITHOUT_HOOK.map(|input| case(input, StatusFrom::Nothing));
    with_hook.into_iter().chain(without_hook).collect()
}
