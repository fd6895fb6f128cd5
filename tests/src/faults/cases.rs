//! What is tried, and what must come of it.

mod calls;
mod situations;

use std::{fmt, time::Duration};

use stand_in::{Behavior, Fault, Operation};

use crate::scenario::{Decider, Policies};

/// More than the three attempts that the SDK makes of a call, so that the state machine gets to see it.
const FEW: usize = 4;
/// Of calls about the report: all attempts of the state machine, and then some of the queue's.
const LONG: usize = 60;

/// One thing that goes wrong, or several.
#[derive(Debug, Clone)]
pub struct Case {
    /// What to call it.
    pub name: String,
    /// Which stack it needs.
    pub stack: Kind,
    /// The stack's two policy parameters.
    pub policies: Policies,
    /// What goes wrong with which calls, and how many of them.
    pub plans: Vec<(Operation, About, usize, Fault)>,
    /// How long CloudFront takes for each distribution, on the clock of this machine; none if it never ends.
    pub invalidations_take: [Option<Duration>; 2],
    /// What AWS is not known to do one way or the other.
    pub behavior: Behavior,
    /// The deployment whose hook it is, by a number; one of its own where there is none.
    pub deployment: Option<usize>,
    /// What else happens.
    pub incident: Incident,
    /// How the execution must end.
    pub end: End,
    /// Who must decide the answer.
    pub decider: Decider,
    /// Whether CodeDeploy never takes an answer: then the queue of what nobody could answer must have it.
    pub deaf: bool,
    /// Whether it is about something that only moto does: the machine's own timeout, an event without an error.
    pub on_moto_only: bool,
    /// The places in the Map whose invalidation must be completed, whatever becomes of the other.
    pub completed: [bool; 2],
    /// Whether it takes minutes on the clock of this machine: such are started first.
    pub long: bool,
}

/// The stacks that cases run on. All have two distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The longest wait is the template's default.
    Usual,
    /// The longest wait is short: `MaxWaitSeconds`, by the template's own parameter.
    Overdue,
    /// The machine's own timeout is short.
    TimedOut,
    /// As `Usual`, with fewer cases at a time: an invalidation is looked for among the newest of its distribution.
    Quiet,
    /// Its settings are wrong.
    Misconfigured,
}

/// Which calls of a run a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// All.
    Deployment,
    /// Those about the invalidation at this place in the Map, from 0.
    Place(usize),
}

/// What happens apart from faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// Nothing.
    None,
    /// The same event again, when the execution has ended.
    EventAgainAfter,
    /// The same event so many times at once.
    EventAtOnce(usize),
    /// CodeDeploy waits for the hook function's result.
    Synchronous,
    /// An engineer stops the execution when it is in this state.
    StopIn(&'static str),
    /// An engineer answers before the purge is done.
    AnsweredByHand(&'static str),
    /// EventBridge delivers the execution's end twice more.
    EndAgain,
    /// EventBridge says that the execution failed while it still runs.
    EndTooEarly,
    /// The execution is started by hand with this input, in which `$HOOK` stands for the hook.
    StartedWith(&'static str),
    /// The execution is started with an input too large for EventBridge's event, and then stopped.
    HugeInputStopped,
}

/// How an execution ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There is none.
    NoExecution,
    /// Green.
    Succeeded,
    /// Red, with one of these errors.
    Failed(&'static [&'static str]),
    /// By the machine's own timeout.
    TimedOut,
    /// Stopped by hand.
    Aborted,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} [OnInvalidationFailure={} OnInvalidationTimeout={}]",
            self.name,
            self.policies.on_invalidation_failure(),
            self.policies.on_invalidation_timeout()
        )
    }
}

/// Every case, in the order of a run.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = calls::all();
    cases.extend(calls::invocations());
    cases.extend(situations::all());
    cases.extend(situations::load());
    cases
        .into_iter()
        .flat_map(|case| both_policies(&case))
        .collect()
}

/// A case whose answer a policy decides is two; of the others, each has one pair of policies or the other.
fn both_policies(case: &Case) -> Vec<Case> {
    let policies = match case.decider {
        Decider::FailedPolicy | Decider::OverduePolicy => &Policies::EACH_WAY[..],
        Decider::Completion | Decider::Nobody => {
            let number = usize::from(case.name.len().is_multiple_of(2));
            &Policies::EACH_WAY[number..=number]
        }
    };
    policies
        .iter()
        .map(|&policies| Case {
            policies,
            ..case.clone()
        })
        .collect()
}

/// A run in which nothing goes wrong.
fn good(name: String) -> Case {
    Case {
        name,
        stack: Kind::Usual,
        policies: Policies::EACH_WAY[0],
        plans: Vec::new(),
        invalidations_take: [Some(Duration::from_millis(300)); 2],
        behavior: Behavior::default(),
        deployment: None,
        incident: Incident::None,
        end: End::Succeeded,
        decider: Decider::Completion,
        deaf: false,
        on_moto_only: false,
        completed: [true; 2],
        long: false,
    }
}

impl Case {
    /// Whether it belongs to the shorter selection: faults that happen once, and inputs with a mistake.
    #[must_use]
    pub fn is_quick(&self) -> bool {
        let is_mistake = matches!(self.incident, Incident::StartedWith(_));
        !self.long && (is_mistake || self.name.ends_with("Once"))
    }

    /// Whether it belongs to the load, whose hooks all come at once.
    #[must_use]
    pub fn is_load(&self) -> bool {
        self.deployment.is_some()
    }

    /// Nothing has to be completed.
    fn failing(self, errors: &'static [&'static str]) -> Self {
        Self {
            end: End::Failed(errors),
            decider: Decider::FailedPolicy,
            completed: [false; 2],
            ..self
        }
    }

    /// The other place is completed all the same.
    fn failing_at(self, place: usize, errors: &'static [&'static str]) -> Self {
        self.failing(errors).all_but(place)
    }

    fn all_but(mut self, place: usize) -> Self {
        self.completed = [true; 2];
        self.completed[place] = false;
        self
    }

    fn without_an_execution(self) -> Self {
        Self {
            end: End::NoExecution,
            decider: Decider::FailedPolicy,
            completed: [false; 2],
            ..self
        }
    }

    fn overdue_at(self, place: usize) -> Self {
        Self {
            stack: Kind::Overdue,
            end: End::Failed(&["InvalidationTimedOut"]),
            decider: Decider::OverduePolicy,
            ..self
        }
        .all_but(place)
    }

    /// CodeDeploy never takes an answer.
    fn unanswerable(self) -> Self {
        Self {
            deaf: true,
            decider: Decider::Nobody,
            long: true,
            ..self
        }
    }

    fn until_the_machine_times_out(self) -> Self {
        Self {
            stack: Kind::TimedOut,
            end: End::TimedOut,
            on_moto_only: true,
            ..self
        }
    }
}
