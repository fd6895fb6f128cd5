//! Each fault, at each call that a function makes, so many times. What must come of it follows from the class of the fault and from the call.

use stand_in::{ConnectionFault, Fault, Operation};
use strum::VariantArray;

use super::{FEW, MANY, SEARCHED, base, failed, rejected};
use crate::{
    case::{Case, DeadLetter, End, StatusFrom, Trigger},
    environment::Engine,
};

/// The calls that functions make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Start,
    Create(usize),
    Get(usize),
    /// Only if there are cache tags.
    Config,
    List,
    Report,
    /// Of an execution that the hook function may have started before it crashed.
    Describe,
    /// Of an execution that failed, whose event does not have the error.
    DescribeError,
    Queue,
}

impl Target {
    const ALL: [Self; 11] = [
        Self::Start,
        Self::Create(0),
        Self::Create(1),
        Self::Get(0),
        Self::Get(1),
        Self::Config,
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
            Self::Config => Operation::GetDistributionConfig,
            Self::List => Operation::ListInvalidations,
            Self::Report => Operation::PutLifecycleEventHookExecutionStatus,
            Self::Describe | Self::DescribeError => Operation::DescribeExecution,
            Self::Queue => Operation::SendMessage,
        }
    }

    fn item(self) -> Option<usize> {
        match self {
            Self::Create(item) | Self::Get(item) => Some(item),
            _ => None,
        }
    }

    /// Throttled, denied and not found, as this call's service says it.
    fn codes(self) -> [(&'static str, u16); 3] {
        let json = |not_found| {
            [
                ("ThrottlingException", 400),
                ("AccessDeniedException", 400),
                (not_found, 400),
            ]
        };
        let xml = |not_found| [("Throttling", 400), ("AccessDenied", 403), (not_found, 404)];
        match self {
            Self::Start => json("StateMachineDoesNotExist"),
            Self::Describe | Self::DescribeError => json("ExecutionDoesNotExist"),
            Self::Report => json("DeploymentDoesNotExistException"),
            Self::Create(_) | Self::Config | Self::List => xml("NoSuchDistribution"),
            Self::Get(_) => xml("NoSuchInvalidation"),
            Self::Queue => [
                ("RequestThrottled", 400),
                ("AccessDenied", 403),
                ("AWS.SimpleQueueService.NonExistentQueue", 400),
            ],
        }
    }

    /// A run in which the call is made at all.
    fn base(self, name: String) -> Case {
        let case = base(name);
        let closed = Fault::After(ConnectionFault::Closed);
        match self {
            // Only if the repeated caller reference is rejected.
            Self::List => {
                let mut case =
                    case.fault_at(Some(0), Operation::CreateInvalidation, Some(1), closed);
                case.stack.distributions = SEARCHED.into();
                case.behavior.rejects_known_caller_reference = true;
                case
            }
            Self::Config => Case {
                trigger: Trigger::StartExecution(TAGS.to_owned()),
                ..case
            },
            // Only if the hook function fails at every attempt.
            Self::Describe => {
                let killed = Fault::Before(ConnectionFault::CallerKilled);
                case.fault(Operation::StartExecution, None, killed)
            }
            // Only if the report is denied.
            Self::DescribeError => {
                let denied = FaultKind::Denied.at(Self::Report);
                case.fault(Self::Report.operation(), Some(1), denied)
            }
            // Only if the hook function can neither start the execution nor report.
            Self::Queue => {
                let missing = FaultKind::NotFound.at(Self::Start);
                let unavailable = FaultKind::Unavailable.at(Self::Report);
                case.fault(Operation::StartExecution, None, missing).fault(
                    Self::Report.operation(),
                    Some(6),
                    unavailable,
                )
            }
            _ => case,
        }
    }
}

/// The faults of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
enum FaultKind {
    Throttled,
    InternalError,
    Unavailable,
    Denied,
    NotFound,
    Unparseable,
    ConnectionClosed,
    ResponseLost,
    TooSlow,
    CrashBefore,
    CrashAfter,
    TimesOut,
}

/// What faults have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Nothing happened; the next attempt may succeed.
    Transient,
    Denied,
    Missing,
    /// The call has its effect, but the caller doesn't see the response.
    EffectWithoutResponse,
    /// The function ends at the call, which has no effect.
    CallerDies,
    /// The function ends when the call has had its effect.
    CallerDiesAfter,
}

impl FaultKind {
    fn at(self, target: Target) -> Fault {
        let [throttled, denied, not_found] = target.codes();
        let rejected = |(code, status)| rejected(code, status);
        match self {
            Self::Throttled => rejected(throttled),
            Self::InternalError => rejected(("InternalFailure", 500)),
            Self::Unavailable => rejected(("ServiceUnavailable", 503)),
            Self::Denied => rejected(denied),
            Self::NotFound => rejected(not_found),
            Self::Unparseable => Fault::After(ConnectionFault::Unparseable),
            Self::ConnectionClosed => Fault::Before(ConnectionFault::Closed),
            Self::ResponseLost => Fault::After(ConnectionFault::Closed),
            Self::TooSlow => Fault::After(ConnectionFault::NoResponse),
            Self::CrashBefore => Fault::Before(ConnectionFault::CallerKilled),
            Self::CrashAfter => Fault::After(ConnectionFault::CallerKilled),
            Self::TimesOut => Fault::Before(ConnectionFault::CallerFrozen),
        }
    }

    fn class(self) -> Class {
        match self {
            Self::Throttled | Self::InternalError | Self::Unavailable | Self::ConnectionClosed => {
                Class::Transient
            }
            Self::Denied => Class::Denied,
            Self::NotFound => Class::Missing,
            Self::Unparseable | Self::ResponseLost | Self::TooSlow => Class::EffectWithoutResponse,
            Self::CrashBefore | Self::TimesOut => Class::CallerDies,
            Self::CrashAfter => Class::CallerDiesAfter,
        }
    }
}

impl Class {
    fn has_its_effect(self) -> bool {
        matches!(self, Self::EffectWithoutResponse | Self::CallerDiesAfter)
    }

    fn ends_the_function(self) -> bool {
        matches!(self, Self::CallerDies | Self::CallerDiesAfter)
    }
}

/// How many calls meet the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
enum Times {
    Once,
    AFew,
    /// Only the queue of pending reports outlasts so many.
    Many,
    Always,
}

impl Times {
    fn count(self) -> Option<usize> {
        match self {
            Self::Once => Some(1),
            Self::AFew => FEW,
            Self::Many => MANY,
            Self::Always => None,
        }
    }
}

/// An input with a cache tag.
const TAGS: &str = r##"{ "hook": $HOOK, "invalidations": [
    { "distributionId": "$DISTRIBUTION", "paths": ["/*", "#blog"] },
    { "distributionId": "E2IMAGES000002", "paths": ["/*"] }
] }"##;

/// A function's own failure: it crashed, or timed out.
const CRASHED: &[&str] = &["Runtime.ExitError", "Sandbox.Timedout"];

pub(super) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in Target::ALL {
        for &kind in FaultKind::VARIANTS {
            for &times in Times::VARIANTS {
                if !is_left_out(target, kind, times) {
                    let case = case(target, kind, times);
                    let other_behavior = with_other_behavior(&case, target, kind.class());
                    cases.push(case);
                    cases.extend(other_behavior);
                }
            }
        }
    }
    cases
}

/// Left out is what another case shows as well, and what takes half an hour: sixty timeouts, or one for each receipt of a message.
fn is_left_out(target: Target, kind: FaultKind, times: Times) -> bool {
    let is_of_the_queue = matches!(
        target,
        Target::Report | Target::Describe | Target::DescribeError
    );
    match times {
        Times::Once => false,
        // The same retries as those of CreateInvalidation.
        Times::AFew => target == Target::Config,
        Times::Many => target != Target::Report || kind.class().ends_the_function(),
        Times::Always => is_of_the_queue && kind == FaultKind::TimesOut,
    }
}

fn case(target: Target, kind: FaultKind, times: Times) -> Case {
    let name = format!("{target:?}, {kind:?}, {times:?}");
    let fault = kind.at(target);
    let mut case =
        target
            .base(name)
            .fault_at(target.item(), target.operation(), times.count(), fault);
    case.quick = times == Times::Once;
    case.long = times != Times::Once;
    expect(case, target, kind.class(), times)
}

/// The table of expectations: what must come of a fault of this class.
fn expect(case: Case, target: Target, class: Class, times: Times) -> Case {
    let once = times == Times::Once;
    let always = times == Times::Always;
    match (target, class) {
        (Target::Start, Class::Denied | Class::Missing) => case.not_started(),
        (Target::Start, Class::CallerDies) if !once => case.not_started(),
        // The execution reports; invalidations take longer than the attempts of the hook function.
        (Target::Start, Class::CallerDiesAfter) => case.taking(6.0),
        // The hook function can't know that it has started the execution, and reports.
        (Target::Start, Class::EffectWithoutResponse) if always => case
            .taking(60.0)
            .ending(End::Succeeded, StatusFrom::OnInvalidationFailure),
        (Target::Start, _) if always => case.not_started(),

        (Target::Create(item), _) => expect_of_create(case, item, class, always),
        (Target::Config | Target::List, _) => expect_of_create(case, 0, class, always),

        (Target::Get(item), Class::Denied) => case.failing_at(item, &["AccessDenied"]),
        (Target::Get(item), Class::Missing) if always => {
            case.failing_at(item, &["InvalidationNotFound"])
        }
        // One function checks all invalidations.
        (Target::Get(_), _) if always && class.ends_the_function() => case.failing(CRASHED),
        (Target::Get(item), _) if always => {
            let mut case = case.failing_at(item, &["InvalidationStatusUnknown"]);
            case.stack
                .parameters
                .insert("MaxWaitSeconds".to_owned(), "40".to_owned());
            case
        }

        (Target::Describe, _) if always && class.ends_the_function() => {
            case.not_started().never_reported()
        }
        (Target::Describe | Target::Queue, _) => case.not_started(),
        (Target::DescribeError, _) => expect_of_the_error(case, class, always),
        (Target::Report, _) => expect_of_the_report(case, class, times),
        _ => case,
    }
}

fn expect_of_create(case: Case, item: usize, class: Class, always: bool) -> Case {
    match class {
        Class::Denied => case.failing_at(item, &["AccessDenied"]),
        Class::Missing => case.failing_at(item, &["DistributionNotFound"]),
        _ if always && class.ends_the_function() => case.failing_at(item, CRASHED),
        _ if always => case.failing_at(item, &["CloudFrontUnavailable"]),
        _ => case,
    }
}

/// `report-status` asks for the error of an execution whose report was denied, as moto's event doesn't have it.
fn expect_of_the_error(mut case: Case, class: Class, always: bool) -> Case {
    case.engines = vec![Engine::Moto];
    let end = failed(&["InvalidatedButNotReported"]);
    match class {
        _ if always && class.ends_the_function() => {
            case.ending(end, StatusFrom::Nothing).never_reported()
        }
        Class::Missing => case.ending(end, StatusFrom::OnInvalidationFailure),
        _ if always => case.ending(end, StatusFrom::OnInvalidationFailure),
        _ => case.ending(end, StatusFrom::Completion),
    }
}

fn expect_of_the_report(mut case: Case, class: Class, times: Times) -> Case {
    // More often than the state machine retries.
    let outlasts_the_execution = matches!(times, Times::Many | Times::Always);
    let always = times == Times::Always;
    if always {
        case.expected.dead_letter = DeadLetter::Either;
    }
    let end = failed(&["InvalidatedButNotReported"]);
    match class {
        Class::Denied | Class::Missing => {
            let case = case.ending(end, StatusFrom::Completion);
            if outlasts_the_execution {
                case.never_reported()
            } else {
                Case {
                    long: false,
                    ..case
                }
            }
        }
        _ if always && !class.has_its_effect() => {
            case.ending(end, StatusFrom::Completion).never_reported()
        }
        _ if outlasts_the_execution => case.ending(end, StatusFrom::Completion),
        _ => case,
    }
}

/// The same case where AWS behaves in the other of two ways that are not known.
fn with_other_behavior(case: &Case, target: Target, class: Class) -> Option<Case> {
    if !class.has_its_effect() {
        return None;
    }
    let mut other = case.clone();
    match target {
        Target::Create(_) => {
            other.stack.distributions = SEARCHED.into();
            other.behavior.rejects_known_caller_reference = true;
            other.name += ", a known caller reference is rejected";
        }
        Target::Report => {
            other.behavior.accepts_repeated_status = true;
            other.name += ", a repeated status is accepted";
        }
        _ => return None,
    }
    Some(other)
}
