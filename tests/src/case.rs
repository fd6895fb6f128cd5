//! One situation that a deployment can meet: what happens in it, and what must come of it. The demo's scenarios, the
//! end-to-end tests and the fault matrix all consist of these.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    codedeploy::HookStatus,
    failure_action::FailureAction::{self, ContinueDeployment, FailDeployment},
};
use stand_in::{Behavior, Fault, Operation};

use crate::{ecs::EcsDeployment, interpreter::Engine};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name, on the command line and in reports.
    pub name: String,
    /// What a scenario shows, in a line.
    #[serde(default)]
    pub about: String,
    /// What a user wants who sets the stack's parameters so: an example in docs/CONFIGURATION.md.
    pub wanted: Option<String>,
    pub stack: StackConfig,
    #[serde(skip)]
    pub actions: Actions,
    /// The faults that calls to AWS meet.
    #[serde(default)]
    pub faults: Vec<PlannedFault>,
    /// How many seconds CloudFront takes for each invalidation, in the order of the Map; none if it never completes it. What is not
    /// in the list is completed at the first status check.
    pub invalidations_take: Vec<Option<f64>>,
    /// The `application/deploymentGroup` of the deployment; empty if it has none.
    pub deployment_group: Option<String>,
    /// What the lifecycle hook of the ECS service is configured with.
    #[serde(default)]
    pub hook_details: Map<String, Value>,
    /// What AWS is not known to do one way or the other.
    #[serde(default)]
    pub behavior: Behavior,
    pub trigger: Trigger,
    #[serde(default)]
    pub intervention: Intervention,
    /// The deployment that the hook belongs to, by a number; otherwise a deployment of its own.
    pub deployment: Option<usize>,
    pub expected: Expected,
    pub engines: Vec<Engine>,
    /// Whether `make test` runs it, too.
    pub quick: bool,
    /// Whether it takes long, mostly waiting: many of these run at a time, and they start first.
    #[serde(default)]
    pub long: bool,
}

/// What a stack is deployed with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackConfig {
    pub distributions: String,
    /// The paths on the edge location that its `VerifyUrls` have; see `tests/engines/edge.vcl`.
    #[serde(default)]
    pub verified: Vec<String>,
    /// Other parameters that don't have their defaults.
    #[serde(default)]
    pub parameters: Parameters,
    /// What somebody does to the stack afterwards.
    pub change: Option<Change>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Change {
    /// The state machine is deleted.
    StateMachineDeleted,
    /// An environment variable of the hook function is set.
    VariableSet(String, String),
    /// The state machine's `TimeoutSeconds` is shortened, on moto.
    TimeoutSeconds(u64),
}

/// The parameters of a stack that don't have their defaults.
pub type Parameters = BTreeMap<String, String>;

pub fn parameters<const COUNT: usize>(values: [(&str, &str); COUNT]) -> Parameters {
    let values = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
    values.into()
}

impl StackConfig {
    pub fn parameters(&self, actions: Actions) -> Parameters {
        let [failure, timeout] = actions.map(FailureAction::as_str);
        let mut all = parameters([
            ("DistributionIds", &self.distributions),
            ("OnInvalidationFailure", failure),
            ("OnInvalidationTimeout", timeout),
        ]);
        all.extend(self.parameters.clone());
        all
    }
}

/// `OnInvalidationFailure` and `OnInvalidationTimeout`.
pub type Actions = [FailureAction; 2];

/// Each action both ways. The two actions differ, so that a status shows which one decided.
pub const EACH_WAY: [Actions; 2] = [
    [FailDeployment, ContinueDeployment],
    [ContinueDeployment, FailDeployment],
];

/// As in the name of a case.
pub fn text_of(actions: Actions) -> String {
    let [failure, timeout] = actions.map(FailureAction::as_str);
    format!("OnInvalidationFailure={failure} OnInvalidationTimeout={timeout}")
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    pub operation: Operation,
    /// Of the invalidation with this index in the Map; of all calls of the deployment if there is none.
    pub item: Option<usize>,
    /// Of all calls about this distribution or distribution tenant, as in [`Trigger::StartExecution`].
    pub about: Option<String>,
    /// How many calls meet it; all if there is none.
    pub times: Option<usize>,
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum Trigger {
    /// The hook event, so many times at once.
    HookEvent(Invocation, usize),
    /// Somebody starts an execution with this input, in which `$HOOK` stands for the hook, `$DISTRIBUTION` and `$TENANT` for a
    /// distribution and a distribution tenant that no other case has, `$MANY_PATHS` for 3,000 paths, `$MANY_TARGETS` for batches of 50
    /// distributions and tenants, and `$LARGE_PATHS` for so many paths that EventBridge leaves the input out of its event.
    StartExecution(String),
    /// Somebody invokes the hook function with this event.
    Manual(Value),
    /// Amazon ECS deploys a service, and calls its lifecycle hook.
    Ecs(EcsDeployment),
    /// `EventBridge` delivers the event of a deployment of CodeDeploy that succeeded, which has this creator.
    DeploymentSucceeded(String),
}

/// How the hook function is invoked. AWS doesn't document which one CodeDeploy uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Invocation {
    /// It waits for the function's result.
    Synchronous,
    /// It leaves the event with Lambda, which tries up to three times.
    Asynchronous,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
pub enum Intervention {
    #[default]
    None,
    /// The same hook event arrives again when the execution has ended.
    HookEventAgain,
    /// An engineer stops the execution in this state.
    StopIn(String),
    /// An engineer reports a status before the invalidations are completed.
    ReportManually(HookStatus),
    /// EventBridge delivers the event of the execution's end twice more.
    EndEventAgain,
    /// EventBridge delivers an event that says `FAILED` while the execution runs.
    EarlyEndEvent,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// How the execution ends.
    pub execution: End,
    /// What decides the status that CodeDeploy accepts.
    pub status: StatusFrom,
    /// Whether the report ends up in the dead-letter queue. Missing if either is right: CodeDeploy has the status,
    /// but its responses may never arrive.
    pub dead_letter: Option<bool>,
    /// Of an execution that fails: the indexes of the invalidations that are completed anyway.
    #[serde(default)]
    pub completed: Vec<usize>,
    /// What the cause of a failed execution says, with ` … ` between the parts; `{status}` stands for the reported status.
    #[serde(default)]
    pub cause: String,
    /// How often a status is reported, whether or not CodeDeploy accepts it.
    pub reports: Option<usize>,
    /// How many invalidations there are.
    pub invalidations: Option<usize>,
    /// What is invalidated in each distribution and distribution tenant.
    pub batches: Option<BTreeMap<String, Vec<String>>>,
    /// Whether what was invalidated first is invalidated again, because it is still on the edge location.
    #[serde(default)]
    pub again: bool,
    /// What the first of the verified URLs has shown.
    pub edge: Option<String>,
    /// An operation that must have been called.
    pub call: Option<Operation>,
    /// What the hook function returned, if it was invoked synchronously.
    pub outcome: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum End {
    /// None was started.
    NotStarted,
    Succeeded,
    /// `FAILED`, with one of these errors.
    Failed(Vec<String>),
    TimedOut,
    Aborted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum StatusFrom {
    /// All invalidations are completed: `Succeeded`.
    Completion,
    OnInvalidationFailure,
    OnInvalidationTimeout,
    Engineer(HookStatus),
    /// The function that Amazon ECS calls crashed or timed out: ECS rolls the deployment back.
    Crash,
    /// No status is reported, or none is accepted.
    Nothing,
}

impl Case {
    /// How many invalidations the output of an execution that succeeds has.
    pub fn row_count(&self) -> usize {
        let expected = self.expected.invalidations;
        let created = expected.unwrap_or(self.invalidations_take.len());
        created * (1 + usize::from(self.expected.again))
    }

    /// The status that CodeDeploy must have accepted.
    pub fn expected_status(&self) -> Option<HookStatus> {
        let [failure, timeout] = self.actions.map(FailureAction::status);
        match self.expected.status {
            StatusFrom::Completion => Some(HookStatus::Succeeded),
            StatusFrom::OnInvalidationFailure => Some(failure),
            StatusFrom::OnInvalidationTimeout => Some(timeout),
            StatusFrom::Engineer(status) => Some(status),
            StatusFrom::Crash => Some(HookStatus::Failed),
            StatusFrom::Nothing => None,
        }
    }
}
