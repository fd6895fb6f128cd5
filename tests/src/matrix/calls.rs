//! Each fault, at each call that a function makes and at each invocation of a function, so many times. `tests/cases/calls.yaml`
//! has the calls, and what must come of a fault: it follows from the class of the fault and from the call.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use stand_in::{Fault, Operation};

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
    /// The codes of its service's errors, each with its HTTP status, by the names of the kinds of faults.
    errors: BTreeMap<String, (String, u16)>,
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

/// A kind of fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// As in the names of its cases.
    name: String,
    class: Class,
    /// Whether calls, or invocations of functions, can meet it: both if there is nothing.
    only: Option<Of>,
    /// Whether it stands for its class in `make test`.
    #[serde(default)]
    typical: bool,
    /// What happens. If there is nothing, the service responds with its error of this name.
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Of {
    Calls,
    Invocations,
}

/// What faults have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Class {
    /// Nothing happened; a later attempt may succeed.
    Throttled,
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
    const CALLS: &str = include_str!("../../cases/calls.yaml");
    let kinds: Vec<Kind> = catalogue::kinds(CALLS);
    // What is left out depends on them.
    for name in ["CrashBefore", "TimesOut", "TooSlow", "Unavailable"] {
        assert!(kinds.iter().any(|kind| kind.name == name), "{name}");
    }
    let defaults = catalogue::defaults(SITUATIONS);
    let mut cases = Vec::new();
    for call in catalogue::read::<Call>(CALLS) {
        // A mistake in a rule that is for no fault of this call is one, too.
        for rule in &call.expect {
            let fields = json!({ "name": call.name });
            let _: Case = catalogue::layered(fields, &[&rule.then, &call.run, &defaults]);
        }
        for kind in &kinds {
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
    fn leaves_out(&self, kind: &Kind, times: Times) -> bool {
        let made_by = match self.caller {
            Caller::StateMachine => Of::Invocations,
            _ => Of::Calls,
        };
        if kind.only.is_some_and(|only| only != made_by) {
            return true;
        }
        let dies = matches!(kind.class, Class::CallerDies | Class::CallerDiesAfter);
        match (self.caller, times) {
            // A read has no effect: a crash after it is like one before it.
            _ if kind.class == Class::CallerDiesAfter && self.is_a_read() => true,
            (_, Times::Many) => dies,
            (Caller::ReportStatus, Times::Always) => kind.name == "TimesOut",
            // Each takes as many receipts of a message as three hours have minutes, whatever the error is.
            (Caller::Rollback, Times::Always) => {
                !["Unavailable", "CrashBefore"].contains(&&*kind.name)
            }
            _ => false,
        }
    }

    fn is_a_read(&self) -> bool {
        let operation: &str = self.operation.into();
        let verbs = ["Get", "List", "Describe"];
        verbs.iter().any(|verb| operation.starts_with(verb))
    }

    fn fault(&self, kind: &Kind) -> Fault {
        kind.fault.clone().unwrap_or_else(|| {
            let error = self.errors.get(&kind.name);
            let (code, status) = error.unwrap_or_else(|| panic!("{}: {}", self.name, kind.name));
            Fault::new(code, *status, "A fault of the matrix.")
        })
    }

    /// The call meets a fault of this kind, and where it has its effect, also where AWS behaves in the other of two ways.
    fn cases(&self, kind: &Kind, times: Times, defaults: &Value) -> Vec<Case> {
        let class = kind.class;
        let name = format!("{}, {}, {times:?}", self.name, kind.name);
        // The state machine waits for a response until the task's timeout.
        let is_slow = self.caller == Caller::StateMachine && kind.name == "TooSlow";
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
            case.quick &= !long && (has_codedeploy_hook || kind.typical);
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
