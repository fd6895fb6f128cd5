//! The situations a deployment can meet: what each is, how it comes about here, and what must come of it.

mod catalogue;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Result, ensure};
use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::json;
use shared::hook::HookEvent;
use stand_in::{Call, Operation, StandIn};

use crate::{
    follow::{self, Ended, Watcher},
    local_aws::LocalAws,
    stack::{self, Invocation, Stack},
};

pub use catalogue::SCENARIOS;

/// Longer than any scenario takes here.
const PATIENCE: Duration = Duration::from_mins(3);
/// A safety net answers within a second or two of the execution's end.
const NET_PATIENCE: Duration = Duration::from_secs(30);

/// What the stack's two policy parameters are set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Policies {
    /// `OnInvalidationFailure`: whether the deployment goes on.
    pub failed_continues: bool,
    /// `OnInvalidationTimeout`: whether the deployment goes on.
    pub overdue_continues: bool,
}

impl Policies {
    /// Both each way; and they differ from each other, so that an answer shows which of the two decided.
    pub const EACH_WAY: [Self; 2] = [
        Self {
            failed_continues: false,
            overdue_continues: true,
        },
        Self {
            failed_continues: true,
            overdue_continues: false,
        },
    ];

    /// The value of `OnInvalidationFailure`.
    #[must_use]
    pub fn on_invalidation_failure(self) -> &'static str {
        policy(self.failed_continues)
    }

    /// The value of `OnInvalidationTimeout`.
    #[must_use]
    pub fn on_invalidation_timeout(self) -> &'static str {
        policy(self.overdue_continues)
    }
}

fn policy(continues: bool) -> &'static str {
    if continues {
        "ContinueDeployment"
    } else {
        "FailDeployment"
    }
}

/// What happens apart from the hook event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// Nothing.
    None,
    /// The event is delivered twice at once, and a third time after the execution.
    EventAgain,
    /// An engineer stops the execution while it waits.
    Stop,
    /// Somebody has deleted the state machine.
    NoStateMachine,
    /// Somebody has set this environment variable of the hook function to this value.
    VariableSet(&'static str, &'static str),
    /// There is no event: somebody starts an execution in the console, for no deployment, with this path.
    StartedByHand(&'static str),
}

/// Who decides what CodeDeploy must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decider {
    /// The purge is done: `Succeeded`.
    Completion,
    /// `OnInvalidationFailure`.
    FailedPolicy,
    /// `OnInvalidationTimeout`.
    OverduePolicy,
    /// No deployment waits.
    Nobody,
}

impl Decider {
    /// What CodeDeploy must be told, if anything.
    #[must_use]
    pub fn answer(self, policies: Policies) -> Option<&'static str> {
        let succeeded = match self {
            Self::Completion => true,
            Self::FailedPolicy => policies.failed_continues,
            Self::OverduePolicy => policies.overdue_continues,
            Self::Nobody => return None,
        };
        Some(if succeeded { "Succeeded" } else { "Failed" })
    }
}

/// A situation.
pub struct Scenario {
    /// What to call it on a command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// The distributions its stack purges, with commas between them.
    pub distributions: &'static str,
    /// What else its stack is deployed with that is not the template's default.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Prepares CloudFront and CodeDeploy for this deployment.
    pub prepare: fn(&StandIn, &Deployment),
    /// What else happens.
    pub incident: Incident,
    /// How the execution ends, and with which error; none if there is no execution.
    pub ends: Option<(ExecutionStatus, Option<&'static str>)>,
    /// What the cause of a failed execution says, with ` … ` between the parts that matter.
    pub cause: Option<&'static str>,
    /// Who decides the answer.
    pub decider: Decider,
    /// How often CodeDeploy is told: the safety net repeats what a failed execution has told.
    pub reports: usize,
    /// How many invalidations CloudFront makes.
    pub purges: usize,
}

impl Incident {
    /// Whether the stack is of no use to other scenarios afterwards.
    #[must_use]
    pub fn breaks_the_stack(self) -> bool {
        matches!(self, Self::NoStateMachine | Self::VariableSet(..))
    }
}

impl Scenario {
    /// The scenario with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// The parameters that its stack is deployed with.
    #[must_use]
    pub fn parameters(&self, policies: Policies) -> Vec<(&'static str, &'static str)> {
        let mut parameters = vec![
            ("DistributionIds", self.distributions),
            ("OnInvalidationFailure", policies.on_invalidation_failure()),
            ("OnInvalidationTimeout", policies.on_invalidation_timeout()),
        ];
        parameters.extend(self.parameters);
        parameters
    }

    /// What is wrong with an outcome; nothing if all is as it must be.
    #[must_use]
    pub fn judge(&self, outcome: &Outcome, policies: Policies) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |what: &str, expected: String, found: String| {
            if expected != found {
                faults.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        let end = outcome
            .execution
            .as_ref()
            .map(|ended| (ended.status.clone(), ended.error.as_deref()));
        expect(
            "the execution's end",
            format!("{:?}", self.ends),
            format!("{end:?}"),
        );
        let answer = self.decider.answer(policies);
        expect(
            "the answers CodeDeploy took",
            format!("{:?}", answer.into_iter().collect::<Vec<_>>()),
            format!("{:?}", outcome.answers),
        );
        expect(
            "the answers CodeDeploy was given",
            self.reports.to_string(),
            reports(&outcome.calls).to_string(),
        );
        expect(
            "the invalidations made",
            self.purges.to_string(),
            outcome.purges().to_string(),
        );
        if let Some(ended) = &outcome.execution {
            self.judge_what_people_read(ended, answer, &mut faults);
        }
        faults
    }

    /// The execution's output or cause: what an engineer sees first.
    fn judge_what_people_read(
        &self,
        ended: &Ended,
        answer: Option<&str>,
        faults: &mut Vec<String>,
    ) {
        if ended.status == ExecutionStatus::Succeeded {
            let rows = ended.output["invalidations"].as_array().map(Vec::len);
            let told = ended.output["codeDeploy"]["reportedStatus"].as_str();
            if rows != Some(self.purges) || told != answer {
                faults.push(format!("the output does not sum it up: {}", ended.output));
            }
        } else if let Some(needed) = self.cause {
            let needed = needed.replace("{answer}", answer.unwrap_or_default());
            let cause = ended.cause.as_deref().unwrap_or_default();
            if !needed.split(" … ").all(|part| cause.contains(part)) {
                faults.push(format!("the cause must have {needed:?}, but is {cause:?}"));
            }
        }
    }
}

/// A deployment that CodeDeploy has under way, and its hook.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// The id of its hook's run.
    pub hook_execution_id: String,
    /// The event its hook function gets.
    pub event: String,
    /// The name of the execution that takes care of it.
    pub execution_name: String,
}

impl Deployment {
    /// A new one, with ids in CodeDeploy's form.
    #[must_use]
    pub fn new() -> Self {
        let second = SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs();
        Self::hook_of(format!("d-{:05X}{:04X}", second & 0xF_FFFF, next()))
    }

    /// One more hook of the deployment with this id.
    ///
    /// # Panics
    /// Never: the event has what a hook event needs.
    #[must_use]
    #[expect(clippy::unwrap_used, reason = "the event is made right here")]
    pub fn hook_of(id: String) -> Self {
        let hook_execution_id = format!(
            "eyJlbmNyeXB0ZWREYXRhIjoi{id}{}IiwibWF0ZXJpYWxTZXRTZXJpYWwiOjF9",
            next()
        );
        let event = json!({
            "DeploymentId": id,
            "LifecycleEventHookExecutionId": hook_execution_id,
        });
        let hook: HookEvent = serde_json::from_value(event.clone()).unwrap();
        Self {
            execution_name: shared::execution::name(&hook.into()),
            hook_execution_id,
            event: event.to_string(),
            id,
        }
    }

    /// How the caller reference of the item at this place, from 0, in its execution's Map begins.
    #[must_use]
    pub fn caller_reference(&self, place: usize) -> String {
        format!("{}-{place}-", self.execution_name)
    }
}

/// Another number at each call.
fn next() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Default for Deployment {
    fn default() -> Self {
        Self::new()
    }
}

/// What came of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// What the hook function returned.
    pub hook_answer: String,
    /// How the execution ended; none if there was none.
    pub execution: Option<Ended>,
    /// The answers that CodeDeploy took.
    pub answers: Vec<String>,
    /// All calls to CloudFront and CodeDeploy about the deployment.
    pub calls: Vec<Call>,
}

impl Outcome {
    fn purges(&self) -> usize {
        self.calls
            .iter()
            .filter(|call| call.operation == Operation::CreateInvalidation && call.error.is_none())
            .count()
    }
}

/// Lets a deployment's hook meet the scenario on a deployed stack, and waits for all that comes of it.
///
/// # Errors
/// When the local AWS fails or nothing ends in time. What ends differently than it must is not an error: see
/// [`Scenario::judge`].
pub async fn run(
    aws: &LocalAws,
    stack: &Stack,
    scenario: &Scenario,
    invocation: Invocation,
    watcher: &mut (dyn Watcher + Send),
) -> Result<Outcome> {
    let deployment = Deployment::new();
    let sfn = aws.sfn();
    let execution_arn = stack.execution_arn(&deployment.execution_name);
    (scenario.prepare)(&aws.stand_in, &deployment);
    match scenario.incident {
        Incident::NoStateMachine => {
            sfn.delete_state_machine()
                .state_machine_arn(stack.state_machine_arn())
                .send()
                .await?;
        }
        Incident::VariableSet(name, value) => {
            stack::set_variable(aws, stack, name, value).await?;
        }
        _ => {}
    }
    let deliver = || stack::invoke(aws, stack, invocation, &deployment.event);
    let hook_answer = match scenario.incident {
        Incident::EventAgain => tokio::try_join!(deliver(), deliver())?.0,
        Incident::StartedByHand(path) => {
            let input = json!({
                "invalidations": [{ "distributionId": scenario.distributions, "paths": [path] }],
            });
            sfn.start_execution()
                .state_machine_arn(stack.state_machine_arn())
                .name(&deployment.execution_name)
                .input(input.to_string())
                .send()
                .await?;
            String::new()
        }
        _ => deliver().await?,
    };
    let execution = if scenario.ends.is_none() {
        None
    } else {
        ensure!(
            follow::wait_for_start(&sfn, &execution_arn, NET_PATIENCE).await?,
            "no execution was started; the hook function said: {hook_answer}"
        );
        if scenario.incident == Incident::Stop {
            follow::wait_for_state(&sfn, &execution_arn, "WaitForInvalidation", NET_PATIENCE)
                .await?;
            sfn.stop_execution()
                .execution_arn(&execution_arn)
                .error("StoppedByHand")
                .cause("An engineer pressed Stop")
                .send()
                .await?;
        }
        Some(follow::follow(&sfn, &execution_arn, PATIENCE, watcher).await?)
    };
    if scenario.incident == Incident::EventAgain {
        // Synchronously, so that whatever comes of it has come.
        stack::invoke(aws, stack, Invocation::Synchronous, &deployment.event).await?;
    }
    wait_for_reports(&aws.stand_in, &deployment.id, scenario.reports).await;
    Ok(Outcome {
        hook_answer,
        execution,
        answers: aws.stand_in.statuses(&deployment.id),
        calls: aws.stand_in.calls_about(&deployment.id),
    })
}

/// The safety net's answer comes after the execution's end. Fewer than expected are left to the judge.
async fn wait_for_reports(stand_in: &StandIn, deployment_id: &str, expected: usize) {
    let began = Instant::now();
    while reports(&stand_in.calls_about(deployment_id)) < expected && began.elapsed() < NET_PATIENCE
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How often CodeDeploy was given an answer, taken or not.
fn reports(calls: &[Call]) -> usize {
    calls
        .iter()
        .filter(|call| call.operation == Operation::PutLifecycleEventHookExecutionStatus)
        .count()
}
