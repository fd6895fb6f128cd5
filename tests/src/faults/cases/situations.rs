//! Situations that are more, or less, than the fault of one call.

use std::time::Duration;

use stand_in::{ConnectionFault, Fault, Function, Operation};

use super::{About, Case, End, FEW, Incident, Kind, LONG, good};
use crate::scenario::Decider;

/// What is no fault of a call.
pub(super) fn all() -> Vec<Case> {
    let mut cases = vec![good("nothing goes wrong".into())];
    for place in [0, 1] {
        let busy = |times| {
            let mut case = good(format!(
                "too many in progress at place {place}, {times} times"
            ));
            case.plans.push((
                Operation::CreateInvalidation,
                About::Place(place),
                times,
                Fault::new("TooManyInvalidationsInProgress", 400, "Too many."),
            ));
            case
        };
        cases.extend([busy(1), busy(FEW)]);
        cases.push(Case {
            stack: Kind::Overdue,
            name: format!("too many in progress at place {place}, always"),
            ..busy(usize::MAX).failing_at(place, &["InvalidationNotCreated"])
        });
        let shown = |times| {
            let mut case = good(format!("an unknown status at place {place}, {times} times"));
            case.plans.push((
                Operation::GetInvalidation,
                About::Place(place),
                times,
                Fault::Status("Archiving"),
            ));
            case
        };
        cases.extend([shown(1), shown(FEW)]);
        cases.push(Case {
            name: format!("an unknown status at place {place}, always"),
            ..shown(usize::MAX).overdue_at(place)
        });
        let mut endless = good(format!("never completed at place {place}"));
        endless.invalidations_take[place] = None;
        cases.push(endless.clone().overdue_at(place));
        let mut unreported = endless.overdue_at(place);
        unreported.name += ", and the report is denied once";
        unreported.plans.push((
            Operation::PutLifecycleEventHookExecutionStatus,
            About::Deployment,
            1,
            Fault::new("AccessDeniedException", 400, "A fault of the matrix."),
        ));
        cases.push(unreported);
        let mut slow = good(format!("slow at place {place}"));
        slow.invalidations_take[place] = Some(Duration::from_secs(8));
        cases.push(slow);
        for code in ["InvalidArgument", "InvalidationBatchAlreadyExists"] {
            let used = "Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.";
            let mut conflict = good(format!(
                "{code} for the repeated reference at place {place}"
            ));
            conflict.stack = Kind::Quiet;
            let create = (Operation::CreateInvalidation, About::Place(place));
            conflict.plans = vec![
                (create.0, create.1, 1, Fault::After(ConnectionFault::Closed)),
                (create.0, create.1, 1, Fault::new(code, 400, used)),
            ];
            cases.push(conflict);
            let mut missing = good(format!(
                "{code} for a reference that nothing has, at place {place}"
            ));
            missing.stack = Kind::Quiet;
            missing
                .plans
                .push((create.0, create.1, usize::MAX, Fault::new(code, 400, used)));
            cases.push(missing.failing_at(place, &["CallerReferenceUsed"]));
        }
    }
    let mut both = good("never completed at both places".into());
    both.invalidations_take = [None; 2];
    cases.push(Case {
        completed: [false; 2],
        ..both.overdue_at(0)
    });
    cases.extend(incidents());
    let mut misconfigured =
        good("a wrong path among the hook function's variables".into()).without_an_execution();
    misconfigured.stack = Kind::Misconfigured;
    cases.push(misconfigured);
    let mut stuck = good("create-invalidation times out until the machine does".into());
    stuck.plans.push((
        Operation::CreateInvalidation,
        About::Place(0),
        usize::MAX,
        Fault::Before(ConnectionFault::CallerFrozen),
    ));
    cases.push(Case {
        decider: Decider::FailedPolicy,
        ..stuck.until_the_machine_times_out()
    });
    cases
}

/// Two hundred hooks at once, five of each deployment, every fourth of them twice.
pub(super) fn load() -> Vec<Case> {
    let hooks = (0..200).map(|number| Case {
        deployment: Some(number / 5),
        incident: Incident::EventAtOnce(1 + usize::from(number % 4 == 0)),
        ..good(format!("load, hook {number}"))
    });
    hooks.collect()
}

/// Inputs of executions that somebody starts by hand, and whether a deployment can be answered.
const MISTAKES: [(&str, bool); 16] = [
    (r#"{ "hook": $HOOK }"#, true),
    (r#"{ "hook": $HOOK, "invalidations": null }"#, true),
    (
        r#"{ "hook": $HOOK, "invalidations": "E1WEBSITE00001" }"#,
        true,
    ),
    (r#"{ "hook": $HOOK, "invalidations": {} }"#, true),
    (r#"{ "hook": $HOOK, "invalidations": [] }"#, true),
    (r#"{ "hook": $HOOK, "invalidations": [null] }"#, true),
    (r#"{ "hook": $HOOK, "invalidations": [{}] }"#, true),
    (
        r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "../E1", "paths": ["/*"] }] }"#,
        true,
    ),
    (
        r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": 7, "paths": ["/*"] }] }"#,
        true,
    ),
    (
        r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": "/*" }] }"#,
        true,
    ),
    (
        r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": [] }] }"#,
        true,
    ),
    (
        r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": ["/💥\u0000'\"{%"] }] }"#,
        true,
    ),
    (
        r#"{ "hook": $HOOK, "invalidations": [{ "distributionId": "E1WEBSITE00001", "paths": [[[[[[[["/*"]]]]]]]] }] }"#,
        true,
    ),
    (r#"{ "hook": "d-1", "invalidations": [] }"#, false),
    ("[]", false),
    ("{}", false),
];

fn mistakes() -> impl Iterator<Item = Case> {
    MISTAKES.iter().map(|&(input, answerable)| {
        let case = Case {
            incident: Incident::StartedWith(input),
            ..good(format!("started with {input}"))
        };
        let case = case.failing(&["InvalidInput", "QueryEvaluationError"]);
        if answerable {
            case
        } else {
            Case {
                decider: Decider::Nobody,
                ..case
            }
        }
    })
}

fn incidents() -> Vec<Case> {
    let slow = Some(Duration::from_secs(3));
    let with = |name: &str, incident| Case {
        incident,
        invalidations_take: [slow; 2],
        ..good(name.to_owned())
    };
    let stopped = |case: Case| Case {
        end: End::Aborted,
        decider: Decider::FailedPolicy,
        ..case
    };
    let mut cases = vec![
        with("the same event again afterwards", Incident::EventAgainAfter),
        with(
            "the same event three times at once",
            Incident::EventAtOnce(3),
        ),
        with(
            "the hook function is invoked synchronously",
            Incident::Synchronous,
        ),
        with(
            "Succeeded by hand before the purge is done",
            Incident::AnsweredByHand("Succeeded"),
        ),
        with(
            "Failed by hand before the purge is done",
            Incident::AnsweredByHand("Failed"),
        ),
        Case {
            // The rule trusts what EventBridge says; on AWS an end is never early.
            decider: Decider::FailedPolicy,
            ..with(
                "the safety net's event while the purge runs",
                Incident::EndTooEarly,
            )
        },
        stopped(with(
            "stopped with an input too large for the event",
            Incident::HugeInputStopped,
        )),
    ];
    let denied = Fault::new("AccessDenied", 403, "A fault of the matrix.");
    let mut again = with("the safety net's event three times", Incident::EndAgain)
        .failing_at(0, &["AccessDenied"]);
    again.plans.push((
        Operation::CreateInvalidation,
        About::Place(0),
        1,
        denied.clone(),
    ));
    cases.push(again);
    // CodeDeploy has taken the answer, and the function's reply is on its way for long, when the execution is stopped.
    let mut under_way = with(
        "stopped while the report is under way",
        Incident::StopIn("ReportSucceeded"),
    );
    under_way.plans.push((
        Operation::Invoke(Function::Report),
        About::Deployment,
        1,
        Fault::After(ConnectionFault::NoResponse),
    ));
    under_way.end = End::Aborted;
    cases.push(under_way);
    cases.extend(mistakes());
    cases.extend(stops());
    cases
}

/// The execution is stopped in each of its states.
fn stops() -> Vec<Case> {
    let denied = Fault::new("AccessDenied", 403, "A fault of the matrix.");
    let mut cases = Vec::new();
    // Each state is held up by what it calls, so that it can be stopped there.
    let unavailable = |operation, times| {
        let fault = Fault::new("ServiceUnavailable", 503, "A fault of the matrix.");
        (operation, About::Deployment, times, fault)
    };
    for state in [
        "CreateInvalidations",
        "CheckInvalidations",
        "WaitForInvalidation",
        "ReportSucceeded",
        "ReportFailed",
    ] {
        let mut case = Case {
            incident: Incident::StopIn(state),
            invalidations_take: [Some(Duration::from_secs(3)); 2],
            end: End::Aborted,
            decider: Decider::FailedPolicy,
            // Of the queue's messages, many meet what is planned for the state.
            long: true,
            ..good(format!("stopped in {state}"))
        };
        match state {
            "CreateInvalidations" => case
                .plans
                .push(unavailable(Operation::CreateInvalidation, usize::MAX)),
            "CheckInvalidations" => case.plans.push((
                Operation::Invoke(Function::Check),
                About::Deployment,
                usize::MAX,
                Fault::new("TooManyRequestsException", 429, "A fault of the matrix."),
            )),
            "WaitForInvalidation" => case.invalidations_take = [None; 2],
            "ReportFailed" => {
                case.plans.push((
                    Operation::CreateInvalidation,
                    About::Place(1),
                    1,
                    denied.clone(),
                ));
                case.plans.push(unavailable(
                    Operation::PutLifecycleEventHookExecutionStatus,
                    LONG / 2,
                ));
            }
            _ => case.plans.push(unavailable(
                Operation::PutLifecycleEventHookExecutionStatus,
                LONG / 2,
            )),
        }
        cases.push(case);
    }
    cases
}
