//! Each fault, at each call that a function makes and at each invocation of a function, so many times. `tests/cases/calls.yaml`
//! has the calls, and what must come of a fault: it follows from the class of the fault and from the call.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use stand_in::{ConnectionFault, Fault, Operation};
use strum::VariantArray;

use super::SITUATIONS;
use crate::{
    case::{Case, PlannedFault},
    catalogue,
};

/// An entry of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// As in the names of its cases.
    name: String,
    operation: Operation,
    /// Of the invalidation with this index in the Map.
    item: Option<usize>,
    caller: Caller,
    /// The codes of its service's errors, each with its HTTP status.
    errors: BTreeMap<FaultKind, (String, u16)>,
    /// How often its faults are tried.
    times: Vec<Times>,
    /// The fields of a case in which the call is made at all.
    #[serde(default)]
    run: Value,
    /// What must come of a fault. The first rule that applies counts.
    #[serde(default)]
    expect: Vec<Rule>,
    /// What is tried as well where the call has its effect, because AWS is not known to do one or the other.
    other_behavior: Option<OtherBehavior>,
}

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Caller {
    Hook,
    CreateInvalidation,
    CheckInvalidation,
    ReportStatus,
    EcsHook,
    Rollback,
    StateMachine,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Faults of any class if there are none.
    #[serde(default)]
    classes: Vec<Class>,
    /// However often if there are none.
    #[serde(default)]
    times: Vec<Times>,
    /// The fields of a case that the fault changes.
    then: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OtherBehavior {
    /// Follows the name of the case.
    name: String,
    /// The fields of a case that it changes.
    run: Value,
}

/// The faults of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, VariantArray)]
#[serde(rename_all = "snake_case")]
enum FaultKind {
    Throttled,
    /// Only of invocations.
    OutOfConcurrency,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
    /// One of each class.
    const TYPICAL: [Self; 6] = [
        Self::Unavailable,
        Self::Denied,
        Self::NotFound,
        Self::ResponseLost,
        Self::CrashBefore,
        Self::CrashAfter,
    ];

    fn class(self) -> Class {
        match self {
            Self::Throttled
            | Self::OutOfConcurrency
            | Self::InternalError
            | Self::Unavailable
            | Self::ConnectionClosed => Class::Transient,
            Self::Denied => Class::Denied,
            Self::NotFound => Class::Missing,
            Self::Unparseable | Self::ResponseLost | Self::TooSlow => Class::EffectWithoutResponse,
            Self::CrashBefore | Self::TimesOut => Class::CallerDies,
            Self::CrashAfter => Class::CallerDiesAfter,
        }
    }
}

/// How many calls meet the fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Times {
    Once,
    /// More than the three attempts that the SDK makes of a call, so that the state machine has to retry.
    AFew,
    /// Of reports: all attempts of the state machine, and some of the queue's.
    Many,
    Always,
}

impl Times {
    fn count(self) -> Option<usize> {
        match self {
            Self::Once => Some(1),
            Self::AFew => Some(4),
            Self::Many => Some(60),
            Self::Always => None,
        }
    }
}

impl Rule {
    fn applies(&self, class: Class, times: Times) -> bool {
        (self.classes.is_empty() || self.classes.contains(&class))
            && (self.times.is_empty() || self.times.contains(&times))
    }
}

pub(super) fn all() -> Vec<Case> {
    let defaults = catalogue::defaults(SITUATIONS);
    let mut cases = Vec::new();
    for call in catalogue::read::<Call>(include_str!("../../cases/calls.yaml")) {
        // A mistake in a rule that is for no fault of this call is one, too.
        for rule in &call.expect {
            let fields = json!({ "name": call.name });
            let _: Case = catalogue::layered(fields, &[&rule.then, &call.run, &defaults]);
        }
        for &kind in FaultKind::VARIANTS {
            for &times in &call.times {
                if !call.leaves_out(kind, times) {
                    cases.extend(call.cases(kind, times, &defaults));
                }
            }
        }
    }
    cases
}

impl Call {
    /// Left out is what another case shows as well, and what takes half an hour: sixty timeouts, or one for each receipt of a message.
    fn leaves_out(&self, kind: FaultKind, times: Times) -> bool {
        use FaultKind::{
            CrashAfter, CrashBefore, OutOfConcurrency, TimesOut, Unavailable, Unparseable,
        };
        let is_invocation = self.caller == Caller::StateMachine;
        match (kind, times) {
            (OutOfConcurrency, _) => !is_invocation,
            // Step Functions doesn't crash, and Lambda's responses can be parsed.
            (Unparseable | CrashBefore | CrashAfter | TimesOut, _) if is_invocation => true,
            // A read has no effect: a crash after it is like one before it.
            (CrashAfter, _) if self.is_a_read() => true,
            (CrashBefore | CrashAfter | TimesOut, Times::Many) => true,
            (TimesOut, Times::Always) if self.caller == Caller::ReportStatus => true,
            // Each takes as many receipts of a message as three hours have minutes, whatever the error is.
            (_, Times::Always) if self.caller == Caller::Rollback => {
                !matches!(kind, Unavailable | CrashBefore)
            }
            _ => false,
        }
    }

    fn is_a_read(&self) -> bool {
        let operation: &str = self.operation.into();
        let verbs = ["Get", "List", "Describe"];
        verbs.iter().any(|verb| operation.starts_with(verb))
    }

    fn fault(&self, kind: FaultKind) -> Fault {
        match kind {
            FaultKind::OutOfConcurrency => Fault::new(
                "TooManyRequestsException",
                429,
                "Rate Exceeded: ReservedFunctionConcurrentInvocationLimitExceeded",
            ),
            FaultKind::Unparseable => Fault::After(ConnectionFault::Unparseable),
            FaultKind::ConnectionClosed => Fault::Before(ConnectionFault::Closed),
            FaultKind::ResponseLost => Fault::After(ConnectionFault::Closed),
            FaultKind::TooSlow => Fault::After(ConnectionFault::NoResponse),
            FaultKind::CrashBefore => Fault::Before(ConnectionFault::CallerKilled),
            FaultKind::CrashAfter => Fault::After(ConnectionFault::CallerKilled),
            FaultKind::TimesOut => Fault::Before(ConnectionFault::CallerFrozen),
            rejected => {
                let (code, status) = &self.errors[&rejected];
                Fault::new(code, *status, "A fault of the matrix.")
            }
        }
    }

    /// The call meets a fault of this kind, and where it has its effect, also where AWS behaves in the other of two ways.
    fn cases(&self, kind: FaultKind, times: Times, defaults: &Value) -> Vec<Case> {
        let class = kind.class();
        let name = format!("{}, {kind:?}, {times:?}", self.name);
        // The state machine waits for a response until the task's timeout.
        let is_slow = self.caller == Caller::StateMachine && kind == FaultKind::TooSlow;
        let long = times != Times::Once || is_slow;
        let rule = self.expect.iter().find(|rule| rule.applies(class, times));
        let expected = rule.map_or(&Value::Null, |rule| &rule.then);
        let below = [expected, &json!({ "long": long }), &self.run, defaults];
        let case = |fields| {
            let mut case: Case = catalogue::layered(fields, &below);
            case.faults.push(PlannedFault {
                operation: self.operation,
                item: self.item,
                times: times.count(),
                fault: self.fault(kind),
            });
            let has_codedeploy_hook = !matches!(self.caller, Caller::EcsHook | Caller::Rollback);
            case.quick &= !long && (has_codedeploy_hook || FaultKind::TYPICAL.contains(&kind));
            case
        };
        let mut cases = vec![case(json!({ "name": name }))];
        let has_its_effect = matches!(class, Class::EffectWithoutResponse | Class::CallerDiesAfter);
        if has_its_effect && let Some(other) = &self.other_behavior {
            let mut fields = other.run.clone();
            fields["name"] = format!("{name}, {}", other.name).into();
            cases.push(case(fields));
        }
        cases
    }
}
