//! Faults of calls: each fault, at each call, so many times.

use std::time::Duration;

use stand_in::{ConnectionFault, Fault, Function, Operation};

use super::{About, Case, End, FEW, Kind, LONG, good};
use crate::scenario::Decider;

/// The AWS calls of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Start,
    Create(usize),
    Get(usize),
    List,
    Report,
    /// Of an execution that the hook function may have started before it crashed.
    Describe,
    /// Of an execution that failed, whose event does not say the error.
    DescribeError,
    Queue,
}

impl Target {
    const ALL: [Self; 10] = [
        Self::Start,
        Self::Create(0),
        Self::Create(1),
        Self::Get(0),
        Self::Get(1),
        Self::List,
        Self::Report,
        Self::Describe,
        Self::DescribeError,
        Self::Queue,
    ];

    fn operation(self) -> Operation {
        match self {
            Self::Start => Operation::StartExecution,
            Self::Create(_) => Operation::CreateInvalidation,
            Self::Get(_) => Operation::GetInvalidation,
            Self::List => Operation::ListInvalidations,
            Self::Report => Operation::PutLifecycleEventHookExecutionStatus,
            Self::Describe | Self::DescribeError => Operation::DescribeExecution,
            Self::Queue => Operation::SendMessage,
        }
    }

    fn about(self) -> About {
        match self {
            Self::Create(place) | Self::Get(place) => About::Place(place),
            _ => About::Deployment,
        }
    }

    /// `Throttled`, `Denied` and `NotFound` as this call's service says them.
    fn codes(self) -> [(&'static str, u16); 3] {
        match self {
            Self::Start => [
                ("ThrottlingException", 400),
                ("AccessDeniedException", 400),
                ("StateMachineDoesNotExist", 400),
            ],
            Self::Describe | Self::DescribeError => [
                ("ThrottlingException", 400),
                ("AccessDeniedException", 400),
                ("ExecutionDoesNotExist", 400),
            ],
            Self::Create(_) | Self::List => [
                ("Throttling", 400),
                ("AccessDenied", 403),
                ("NoSuchDistribution", 404),
            ],
            Self::Get(_) => [
                ("Throttling", 400),
                ("AccessDenied", 403),
                ("NoSuchInvalidation", 404),
            ],
            Self::Report => [
                ("ThrottlingException", 400),
                ("AccessDeniedException", 400),
                ("DeploymentDoesNotExistException", 400),
            ],
            Self::Queue => [
                ("RequestThrottled", 400),
                ("AccessDenied", 403),
                ("AWS.SimpleQueueService.NonExistentQueue", 400),
            ],
        }
    }
}

/// The faults of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Throttled,
    InternalError,
    Unavailable,
    Denied,
    NotFound,
    Garbled,
    ConnectionClosed,
    ReplyLost,
    TooSlow,
    CrashBefore,
    CrashAfter,
    TimesOut,
}

impl Trouble {
    const ALL: [Self; 12] = [
        Self::Throttled,
        Self::InternalError,
        Self::Unavailable,
        Self::Denied,
        Self::NotFound,
        Self::Garbled,
        Self::ConnectionClosed,
        Self::ReplyLost,
        Self::TooSlow,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::TimesOut,
    ];

    fn at(self, target: Target) -> Fault {
        let [throttled, denied, not_found] = target.codes();
        let refused = |(code, status)| Fault::new(code, status, "A fault of the matrix.");
        match self {
            Self::Throttled => refused(throttled),
            Self::InternalError => refused(("InternalFailure", 500)),
            Self::Unavailable => refused(("ServiceUnavailable", 503)),
            Self::Denied => refused(denied),
            Self::NotFound => refused(not_found),
            Self::Garbled => Fault::After(ConnectionFault::Unparseable),
            Self::ConnectionClosed => Fault::Before(ConnectionFault::Closed),
            Self::ReplyLost => Fault::After(ConnectionFault::Closed),
            Self::TooSlow => Fault::After(ConnectionFault::NoResponse),
            Self::CrashBefore => Fault::Before(ConnectionFault::CallerKilled),
            Self::CrashAfter => Fault::After(ConnectionFault::CallerKilled),
            Self::TimesOut => Fault::Before(ConnectionFault::CallerFrozen),
        }
    }

    /// Whether the function that makes the call does not survive it.
    fn ends_the_function(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter | Self::TimesOut)
    }

    /// Whether the call has its effect all the same.
    fn has_its_effect(self) -> bool {
        matches!(
            self,
            Self::Garbled | Self::ReplyLost | Self::TooSlow | Self::CrashAfter
        )
    }
}

/// How often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    AFew,
    Long,
    Always,
}

impl Times {
    fn count(self) -> usize {
        match self {
            Self::Once => 1,
            Self::AFew => FEW,
            Self::Long => LONG,
            Self::Always => usize::MAX,
        }
    }
}

/// The names of a function's own failure: a crash, and a timeout.
const CRASHED: &[&str] = &["Runtime.ExitError", "Sandbox.Timedout"];

/// Every fault at every call: what must come of it follows from the fault's kind and the call's place in the run.
pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in Target::ALL {
        for trouble in Trouble::ALL {
            for times in [Times::Once, Times::AFew, Times::Long, Times::Always] {
                let is_report = target == Target::Report;
                let frozen = trouble == Trouble::TimesOut;
                let is_of_the_queue =
                    is_report || matches!(target, Target::Describe | Target::DescribeError);
                // A long fault is one that only the queue outlasts. Sixty timeouts, or one for each message of the
                // queue, would take half an hour on the clock of this machine.
                if (times == Times::Long && (!is_report || trouble.ends_the_function()))
                    || (times == Times::Always && is_of_the_queue && frozen)
                {
                    continue;
                }
                let mut base = good(format!("{target:?}, {trouble:?}, {times:?}"));
                base.plans.push((
                    target.operation(),
                    target.about(),
                    times.count(),
                    trouble.at(target),
                ));
                base.long = times != Times::Once;
                let case = expect(base, target, trouble, times);
                let other_way = other_way(&case, target, trouble);
                cases.push(case);
                cases.extend(other_way);
            }
        }
    }
    cases
}

fn expect(mut case: Case, target: Target, trouble: Trouble, times: Times) -> Case {
    let always = times == Times::Always;
    match target {
        Target::Start => match trouble {
            // The execution was started, so its answer is the one.
            Trouble::CrashAfter => {
                case.invalidations_take = [Some(Duration::from_secs(6)); 2];
                case
            }
            Trouble::Denied | Trouble::NotFound => case.without_an_execution(),
            Trouble::CrashBefore | Trouble::TimesOut if times != Times::Once => {
                case.without_an_execution()
            }
            // The hook function cannot know that it has started the execution, and answers.
            _ if always && trouble.has_its_effect() => {
                case.invalidations_take = [Some(Duration::from_mins(1)); 2];
                case.long = true;
                Case {
                    decider: Decider::FailedPolicy,
                    ..case
                }
            }
            _ if always => case.without_an_execution(),
            _ => case,
        },
        Target::Create(_) | Target::List => {
            if target == Target::List {
                // It is asked only where the repeated reference is refused.
                case.stack = Kind::Quiet;
                case.behavior.rejects_known_caller_reference = true;
                case.plans.push((
                    Operation::CreateInvalidation,
                    About::Place(0),
                    1,
                    Fault::After(ConnectionFault::Closed),
                ));
            }
            let place = match target {
                Target::Create(place) => place,
                _ => 0,
            };
            match trouble {
                Trouble::Denied => case.failing_at(place, &["AccessDenied"]),
                Trouble::NotFound => case.failing_at(place, &["DistributionNotFound"]),
                _ if always && trouble.ends_the_function() => case.failing_at(place, CRASHED),
                _ if always => case.failing_at(place, &["CloudFrontUnavailable"]),
                _ => case,
            }
        }
        Target::Get(place) => match trouble {
            Trouble::Denied => case.failing_at(place, &["AccessDenied"]),
            Trouble::NotFound if always => {
                case.long = true;
                case.failing_at(place, &["InvalidationNotFound"])
            }
            // One function checks both.
            _ if always && trouble.ends_the_function() => case.failing(CRASHED),
            _ if always => Case {
                stack: Kind::Overdue,
                ..case.failing_at(place, &["InvalidationStatusUnknown"])
            },
            _ => case,
        },
        Target::Describe => {
            // It is asked only where the hook function fails on every attempt.
            case.plans.push((
                Operation::StartExecution,
                About::Deployment,
                usize::MAX,
                Fault::Before(ConnectionFault::CallerKilled),
            ));
            let case = case.without_an_execution();
            if always && trouble.ends_the_function() {
                case.unanswerable()
            } else {
                case
            }
        }
        Target::DescribeError => expect_of_the_error(case, trouble, times),
        Target::Queue => {
            // It is asked only where the hook function can neither start nor report.
            case.plans.push((
                Operation::StartExecution,
                About::Deployment,
                usize::MAX,
                Trouble::NotFound.at(Target::Start),
            ));
            case.plans.push((
                Operation::PutLifecycleEventHookExecutionStatus,
                About::Deployment,
                LONG / 10,
                Trouble::Unavailable.at(Target::Report),
            ));
            case.without_an_execution()
        }
        Target::Report => expect_of_the_report(case, trouble, times),
    }
}

/// The error of an execution whose report was denied, which the queue has to ask for.
fn expect_of_the_error(mut case: Case, trouble: Trouble, times: Times) -> Case {
    let always = times == Times::Always;
    case.plans.push((
        Operation::PutLifecycleEventHookExecutionStatus,
        About::Deployment,
        1,
        Trouble::Denied.at(Target::Report),
    ));
    case.end = End::Failed(&["InvalidatedButNotReported"]);
    case.on_moto_only = true;
    let is_refusal = matches!(trouble, Trouble::Denied | Trouble::NotFound);
    match trouble {
        _ if always && trouble.ends_the_function() => case.unanswerable(),
        // The status is for a failure where Step Functions does not say the error.
        _ if always || is_refusal => Case {
            decider: Decider::FailedPolicy,
            ..case
        },
        _ => case,
    }
}

fn expect_of_the_report(mut case: Case, trouble: Trouble, times: Times) -> Case {
    let always = times == Times::Always;
    match trouble {
        Trouble::Denied | Trouble::NotFound => {
            case.end = End::Failed(&["InvalidatedButNotReported"]);
            case.long = times == Times::Long;
            match times {
                Times::Once | Times::AFew => case,
                // More than the queue has patience for.
                Times::Long | Times::Always => case.unanswerable(),
            }
        }
        // Longer than the state machine has patience for.
        _ if times == Times::Long || always => {
            case.end = End::Failed(&["InvalidatedButNotReported"]);
            case.long = true;
            if always && !trouble.has_its_effect() {
                case.unanswerable()
            } else {
                case
            }
        }
        _ => case,
    }
}

/// The same case where AWS does what it is not known to do the other way.
fn other_way(case: &Case, target: Target, trouble: Trouble) -> Option<Case> {
    if !trouble.has_its_effect() {
        return None;
    }
    let mut other = case.clone();
    match target {
        Target::Create(_) => {
            other.stack = Kind::Quiet;
            other.behavior.rejects_known_caller_reference = true;
            other.name += ", caller references conflict";
        }
        Target::Report => {
            other.behavior.accepts_repeated_status = true;
            other.name += ", the same answer is accepted twice";
        }
        _ => return None,
    }
    Some(other)
}

/// What Lambda answers when the state machine invokes a function, or what becomes of the answer.
const INVOCATION_MISHAPS: [(&str, Fault); 3] = [
    ("ConnectionClosed", Fault::Before(ConnectionFault::Closed)),
    ("ReplyLost", Fault::After(ConnectionFault::Closed)),
    ("TooSlow", Fault::After(ConnectionFault::NoResponse)),
];

/// The same as errors of Lambda's API: <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
const INVOCATION_ERRORS: [(&str, &str, u16); 6] = [
    ("Throttled", "TooManyRequestsException", 429),
    ("OutOfConcurrency", "TooManyRequestsException", 429),
    ("InternalError", "ServiceException", 500),
    ("Unavailable", "ServiceUnavailableException", 503),
    ("Denied", "AccessDeniedException", 403),
    ("NotFound", "ResourceNotFoundException", 404),
];

/// What the execution says of an invocation that never works.
const NOT_INVOKED: &[&str] = &[
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.ServiceUnavailableException",
    "Lambda.AccessDeniedException",
    "Lambda.ResourceNotFoundException",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
    "Timeout",
];

/// Every fault of the state machine's invocations of its functions.
pub(super) fn invocations() -> Vec<Case> {
    let errors = INVOCATION_ERRORS.map(|(name, code, status)| {
        let message = match name {
            "OutOfConcurrency" => {
                "Rate Exceeded: ReservedFunctionConcurrentInvocationLimitExceeded"
            }
            _ => "A fault of the matrix.",
        };
        (name, Fault::new(code, status, message))
    });
    let mut cases = Vec::new();
    for function in [Function::Create, Function::Check, Function::Report] {
        for (name, fault) in errors.iter().chain(&INVOCATION_MISHAPS) {
            for times in [Times::Once, Times::AFew, Times::Always] {
                let mut case = good(format!("Invoke {function:?}, {name}, {times:?}"));
                let operation = Operation::Invoke(function);
                case.plans
                    .push((operation, About::Deployment, times.count(), fault.clone()));
                case.long = *name == "TooSlow" || times != Times::Once;
                cases.push(match (function, times) {
                    (_, Times::Once | Times::AFew | Times::Long) => case,
                    (Function::Create | Function::Check, _) => case.failing(NOT_INVOKED),
                    // The queue's invocations are none of the state machine's.
                    (Function::Report, _) => Case {
                        end: End::Failed(&["InvalidatedButNotReported"]),
                        ..case
                    },
                });
            }
        }
    }
    cases
}
