//! The fault matrix: every fault that AWS can show, at every call of a run, and situations that are more than one fault.
//! `tests/tests/fault_matrix.rs` runs these cases on both engines.

mod calls;
mod invocations;
mod situations;

use std::time::Duration;

use stand_in::{Behavior, Fault};

use crate::{
    case::{
        Case, Change, DeadLetter, End, Expected, FailureActions, Intervention, Invocation,
        StackConfig, StatusFrom, Trigger,
    },
    environment::Engine,
};

/// More than the three attempts that the SDK makes of a call, so that the state machine has to retry.
const FEW: usize = 4;
/// Of reports: all attempts of the state machine, and some of the queue's.
const MANY: usize = 60;

const DEFAULT: StackConfig = StackConfig {
    distributions: "E1WEBSITE00001,E2IMAGES000002",
    parameters: &[],
    change: None,
};
const SHORT_WAIT: StackConfig = StackConfig {
    parameters: &[("MaxWaitSeconds", "40")],
    ..DEFAULT
};
const SHORT_TIMEOUT: StackConfig = StackConfig {
    change: Some(Change::TimeoutSeconds(30)),
    ..DEFAULT
};
/// Its invalidations are searched for among the newest hundred of their distribution, so few cases may run on it at a time.
pub const SEARCHED: StackConfig = StackConfig {
    distributions: "E3WEBSITE00003,E4IMAGES000004",
    ..DEFAULT
};
const INVALID_SETTINGS: StackConfig = StackConfig {
    change: Some(Change::VariableSet("PATHS", "index.html")),
    ..DEFAULT
};

/// Every case but the load.
pub fn all() -> Vec<Case> {
    let cases = [calls::all(), invocations::all(), situations::all()];
    let cases = cases.into_iter().flatten().enumerate();
    cases
        .flat_map(|(number, case)| with_failure_actions(number, &case))
        .collect()
}

/// Two hundred hooks at once, five of each deployment, every fourth of them delivered twice.
pub fn load() -> Vec<Case> {
    let hook = |number: usize| Case {
        deployment: Some(number / 5),
        trigger: Trigger::HookEvent(
            Invocation::Asynchronous,
            1 + usize::from(number.is_multiple_of(4)),
        ),
        quick: false,
        ..base(format!("load, hook {number}"))
    };
    (0..200)
        .flat_map(|number| with_failure_actions(number, &hook(number)))
        .collect()
}

/// A case whose status depends on the failure actions is two cases. The others take turns on the stacks of both.
fn with_failure_actions(number: usize, case: &Case) -> Vec<Case> {
    let decides = matches!(
        case.expected.status,
        StatusFrom::OnInvalidationFailure | StatusFrom::OnInvalidationTimeout
    );
    let actions = if decides {
        &FailureActions::EACH_WAY[..]
    } else {
        &FailureActions::EACH_WAY[number % 2..][..1]
    };
    let cases = actions.iter().map(|&actions| Case {
        name: format!("{} [{actions}]", case.name),
        actions,
        ..case.clone()
    });
    cases.collect()
}

/// Two distributions that are invalidated soon: nothing goes wrong.
fn base(name: impl Into<String>) -> Case {
    Case {
        name: name.into(),
        stack: DEFAULT,
        actions: FailureActions::DEFAULT,
        faults: Vec::new(),
        invalidations_take: vec![Some(Duration::from_millis(300)); 2],
        behavior: Behavior::default(),
        trigger: Trigger::HookEvent(Invocation::Asynchronous, 1),
        intervention: Intervention::None,
        deployment: None,
        expected: Expected {
            execution: End::Succeeded,
            status: StatusFrom::Completion,
            dead_letter: DeadLetter::No,
            completed: vec![0, 1],
            cause: "",
            reports: None,
            invalidations: None,
            call: None,
        },
        engines: Engine::ALL,
        quick: true,
        long: false,
    }
}

fn rejected(code: &str, status: u16) -> Fault {
    Fault::new(code, status, "A fault of the matrix.")
}

/// Ends that several cases share.
impl Case {
    /// The execution fails with one of these errors; no invalidation has to be completed.
    fn failing(mut self, errors: &'static [&'static str]) -> Self {
        self.expected.completed.clear();
        self.ending(End::Failed(errors), StatusFrom::OnInvalidationFailure)
    }

    /// The invalidation with this index fails; the other is completed all the same.
    fn failing_at(self, item: usize, errors: &'static [&'static str]) -> Self {
        let mut case = self.failing(errors);
        case.expected.completed = vec![1 - item];
        case
    }

    /// The invalidation with this index is in progress at the deadline.
    fn timed_out_at(mut self, item: usize) -> Self {
        self.stack = SHORT_WAIT;
        self.quick = false;
        self.expected.completed = vec![1 - item];
        let end = End::Failed(&["InvalidationTimedOut"]);
        self.ending(end, StatusFrom::OnInvalidationTimeout)
    }

    fn not_started(mut self) -> Self {
        self.expected.invalidations = Some(0);
        self.expected.completed.clear();
        self.ending(End::NotStarted, StatusFrom::OnInvalidationFailure)
    }

    fn stopped(self) -> Self {
        self.ending(End::Aborted, StatusFrom::OnInvalidationFailure)
    }

    /// CodeDeploy never accepts a status.
    fn never_reported(mut self) -> Self {
        self.expected.dead_letter = DeadLetter::Yes;
        self.expected.status = StatusFrom::Nothing;
        self.long = true;
        self
    }
}
