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
    /// As in a [`PlannedFault`].
    item: Option<usize>,
    about: Option<String>,
    /// The codes of its service's errors, each with its HTTP status, by the names of the kinds of faults.
    errors: BTreeMap<String, (String, u16)>,
    /// Whether few deployments make it: `make test` tries only the typical kinds of faults.
    #[serde(default)]
    rare: bool,
    /// How often its faults are tried.
    times: Vec<Times>,
    /// The faults that are not tried.
    #[serde(default)]
    leave_out: Vec<Rule>,
    /// The fields of a case in which the call is made at all.
    #[serde(default)]
    run: Value,
    /// What must come of a fault. The first rule that applies counts.
    #[serde(default)]
    expect: Vec<Rule>,
    /// The fields of a case that is tried as well where the call has its effect, because AWS is not known to do one or the other.
    /// Its name follows that of the other.
    other_behavior: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rule {
    /// Faults of any kind if there are none.
    kinds: Vec<String>,
    /// Faults of any class if there are none.
    classes: Vec<Class>,
    /// However often if there are none.
    times: Vec<Times>,
    /// The fields of a case that the fault changes.
    then: Value,
}

/// A kind of fault.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    /// As in the names of its cases.
    name: String,
    class: Class,
    /// Whether only invocations of functions, or only other calls, can meet it.
    of_invocations: Option<bool>,
    /// Whether it stands for its class in `make test`.
    #[serde(default)]
    typical: bool,
    /// What happens. If there is nothing, the service responds with its error of this name.
    fault: Option<Fault>,
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
#[repr(u32)]
enum Times {
    Once = 1,
    /// More than the three attempts that the SDK makes of a call, so that the state machine has to retry.
    AFew = 4,
    /// Of reports: all attempts of the state machine, and some of the queue's.
    Many = 60,
    Always = u32::MAX,
}

impl Rule {
    fn applies(&self, kind: &Kind, times: Times) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind.name))
            && (self.classes.is_empty() || self.classes.contains(&kind.class))
            && (self.times.is_empty() || self.times.contains(&times))
    }
}

pub(super) fn all() -> Vec<Case> {
    const CALLS: &str = include_str!("../../cases/calls.yaml");
    let kinds = catalogue::parse(CALLS).kinds;
    let kinds: Vec<Kind> = serde_json::from_value(kinds).expect("kinds of faults");
    let defaults = catalogue::parse(SITUATIONS).defaults;
    let mut cases = Vec::new();
    for call in catalogue::read::<Call>(CALLS) {
        let says_what = |rule: &Rule| rule.then.is_object();
        assert!(call.expect.iter().all(says_what), "{}", call.name);
        // A mistake in a rule that is for no fault of this call is one, too.
        for rule in call.expect.iter().chain(&call.leave_out) {
            let fields = json!({ "name": call.name });
            let _: Case = catalogue::layered(fields, &[&rule.then, &call.run, &defaults]);
            let is_known = |name: &String| kinds.iter().any(|kind| kind.name == *name);
            assert!(rule.kinds.iter().all(is_known), "{rule:?}");
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
    fn is_invocation(&self) -> bool {
        matches!(self.operation, Operation::Invoke(_))
    }

    fn leaves_out(&self, kind: &Kind, times: Times) -> bool {
        let operation = format!("{:?}", self.operation);
        let reads = ["Get", "List", "Describe"];
        let is_a_read = reads.iter().any(|verb| operation.starts_with(verb));
        // A read has no effect: a crash after it is like one before it.
        (is_a_read && kind.class == Class::CallerDiesAfter)
            || kind
                .of_invocations
                .is_some_and(|of| of != self.is_invocation())
            || self.leave_out.iter().any(|rule| rule.applies(kind, times))
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
        let name = format!("{}, {}, {times:?}", self.name, kind.name);
        // The state machine waits for a response until the task's timeout.
        let is_slow = self.is_invocation() && kind.name == "TooSlow";
        let long = times != Times::Once || is_slow;
        let rule = self.expect.iter().find(|rule| rule.applies(kind, times));
        let expected = rule.map_or(&Value::Null, |rule| &rule.then);
        let below = [expected, &json!({ "long": long }), &self.run, defaults];
        let case = |fields| {
            let mut case: Case = catalogue::layered(fields, &below);
            case.faults.push(PlannedFault {
                operation: self.operation,
                item: self.item,
                about: self.about.clone(),
                times: Some(times as usize),
                fault: self.fault(kind),
            });
            case.quick &= !long && (kind.typical || !self.rare);
            case
        };
        let mut cases = vec![case(json!({ "name": name }))];
        let has_its_effect = [Class::EffectWithoutResponse, Class::CallerDiesAfter];
        if has_its_effect.contains(&kind.class)
            && let Some(mut other) = self.other_behavior.clone()
        {
            let other_name = other["name"].as_str().unwrap_or_default();
            other["name"] = format!("{name}, {other_name}").into();
            cases.push(case(other));
        }
        cases
    }
}
