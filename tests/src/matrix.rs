//! The fault matrix: every fault that AWS can show, at every call of a run, and situations that a single fault does not
//! describe.
//! `tests/tests/fault_matrix.rs` runs these cases on both engines.

mod calls;
mod invocations;

use std::sync::LazyLock;

use stand_in::{Fault, Operation};

use crate::{
    case::{
        Case, DeadLetter, EACH_WAY, End, Invocation, PlannedFault, StatusFrom, Trigger, text_of,
    },
    catalogue,
};

const SITUATIONS: &str = include_str!("../cases/situations.yaml");
/// More than the three attempts that the SDK makes of a call, so that the state machine has to retry.
const FEW: Option<usize> = Some(4);
/// Of reports: all attempts of the state machine, and some of the queue's.
const MANY: Option<usize> = Some(60);
/// Their invalidations are searched for among the newest hundred of their distribution, so few cases may run at a time.
pub const SEARCHED: &str = "E3WEBSITE00003,E4IMAGES000004";

/// Every case but the load.
pub fn all() -> Vec<Case> {
    let cases = [
        calls::all(),
        invocations::all(),
        catalogue::read(SITUATIONS),
    ];
    let cases = cases.into_iter().flatten().enumerate();
    cases
        .flat_map(|(number, case)| with_failure_actions(number, &case))
        .collect()
}

/// The cases of `make test`. The engines take turns, so that these take half the time.
pub fn quick() -> Vec<Case> {
    let quick = all().into_iter().filter(|case| case.quick).enumerate();
    let on_one_engine = quick.map(|(number, mut case)| {
        case.engines = vec![case.engines[number % case.engines.len()]];
        case
    });
    on_one_engine.collect()
}

/// Two hundred hooks at once, five of each deployment, every fourth of them delivered twice.
pub fn load() -> Vec<Case> {
    let hook = |number: usize| Case {
        deployment: Some(number / 5),
        trigger: Trigger::HookEvent(
            Invocation::Asynchronous,
            1 + usize::from(number.is_multiple_of(4)),
        ),
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
        &EACH_WAY[..]
    } else {
        &EACH_WAY[number % 2..][..1]
    };
    let cases = actions.iter().map(|&actions| Case {
        name: format!("{} [{}]", case.name, text_of(actions)),
        actions,
        ..case.clone()
    });
    cases.collect()
}

/// Two distributions that are invalidated soon: nothing goes wrong.
fn base(name: String) -> Case {
    static BASE: LazyLock<Case> = LazyLock::new(|| catalogue::default_case(SITUATIONS));
    Case {
        name,
        ..BASE.clone()
    }
}

fn rejected(code: &str, status: u16) -> Fault {
    Fault::new(code, status, "A fault of the matrix.")
}

fn failed(errors: &[&str]) -> End {
    End::Failed(errors.iter().map(|&error| error.to_owned()).collect())
}

/// What several cases have in common.
impl Case {
    /// An execution that somebody starts, whose first batch has these fields.
    fn with_first_batch(mut self, fields: &str) -> Self {
        let other = r#"{ "distributionId": "E2IMAGES000002", "paths": ["/*"] }"#;
        let batches = format!("[{{ {fields} }}, {other}]");
        let input = format!(r#"{{ "hook": $HOOK, "invalidations": {batches} }}"#);
        self.trigger = Trigger::StartExecution(input);
        self
    }

    fn triggered(mut self, trigger: Trigger, status: StatusFrom) -> Self {
        self.trigger = trigger;
        self.expected.status = status;
        self
    }

    fn fault(self, operation: Operation, times: Option<usize>, fault: Fault) -> Self {
        self.fault_at(None, operation, times, fault)
    }

    fn fault_at(
        mut self,
        item: Option<usize>,
        operation: Operation,
        times: Option<usize>,
        fault: Fault,
    ) -> Self {
        self.faults.push(PlannedFault {
            operation,
            item,
            times,
            fault,
        });
        self
    }

    /// Lets all invalidations take so many seconds.
    fn taking(mut self, seconds: f64) -> Self {
        self.invalidations_take.fill(Some(seconds));
        self
    }

    fn ending(mut self, execution: End, status: StatusFrom) -> Self {
        self.expected.execution = execution;
        self.expected.status = status;
        self
    }

    /// The execution fails with one of these errors; no invalidation has to be completed.
    fn failing(mut self, errors: &[&str]) -> Self {
        self.expected.completed.clear();
        self.ending(failed(errors), StatusFrom::OnInvalidationFailure)
    }

    /// The invalidation with this index fails; the other is completed all the same.
    fn failing_at(self, item: usize, errors: &[&str]) -> Self {
        let mut case = self.failing(errors);
        case.expected.completed = vec![1 - item];
        case
    }

    fn not_started(mut self) -> Self {
        self.expected.invalidations = Some(0);
        self.expected.completed.clear();
        self.ending(End::NotStarted, StatusFrom::OnInvalidationFailure)
    }

    /// CodeDeploy never accepts a status.
    fn never_reported(mut self) -> Self {
        self.expected.dead_letter = DeadLetter::Yes;
        self.expected.status = StatusFrom::Nothing;
        self.long = true;
        self
    }
}
