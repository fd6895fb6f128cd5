//! Runs a case: prepares AWS for it, lets it happen, and waits for what must come of it.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use shared::codedeploy::HookStatus;
use stand_in::Operation;

use crate::{
    case::{Case, Deployment, End, Intervention, Invocation, StatusFrom, Trigger},
    environment::{Engine, Environment},
    follow::{self, Ended, Watcher},
    judge::Outcome,
    stack::{self, Stack},
};

/// Longer than any case takes that does not say that it is long.
const PATIENCE: Duration = Duration::from_mins(3);
/// Sixteen functions that time out one after the other.
const LONG_PATIENCE: Duration = Duration::from_mins(20);
/// A report by the queue comes a few seconds after the execution's end.
const REPORTS_PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A case on a stack, with a deployment of its own.
pub struct Run<'a> {
    environment: &'a Environment,
    engine: Engine,
    case: &'a Case,
    stack: &'a Stack,
    /// Whose hook it is.
    pub deployment: Deployment,
    began: SystemTime,
}

impl<'a> Run<'a> {
    /// Prepares AWS for a case.
    pub fn new(
        environment: &'a Environment,
        engine: Engine,
        case: &'a Case,
        stack: &'a Stack,
    ) -> Self {
        let deployment = match case.deployment {
            None => Deployment::new(),
            Some(number) => Deployment::hook_of(format!("d-{number:03}{engine:?}")),
        };
        let stand_in = &environment.aws.stand_in;
        stand_in.forward_executions_to(&deployment.execution_name, environment.url(engine));
        stand_in.set_behavior(&deployment.id, case.behavior);
        if case.behavior.lacks_cache_tags {
            stand_in.set_behavior(&case.stack.distributions, case.behavior);
        }
        if let Some(group) = &case.deployment_group {
            stand_in.set_deployment_group(&deployment.id, group);
        }
        for (item, time) in case.invalidations_take.iter().enumerate() {
            let time = time.map(Duration::from_secs_f64);
            stand_in.invalidations_take(&deployment.caller_reference(item), time);
        }
        for planned in &case.faults {
            let about = match (planned.operation, planned.item) {
                (Operation::GetDistributionConfig, _) => deployment.distribution_id(),
                (Operation::GetDistributionTenant, _) => deployment.distribution_tenant_id(),
                (_, None) => deployment.id.clone(),
                (_, Some(item)) => deployment.caller_reference(item),
            };
            let fault = planned.fault.clone();
            let times = planned.times.unwrap_or(usize::MAX);
            stand_in.inject(planned.operation, &about, times, fault);
        }
        Self {
            environment,
            engine,
            case,
            stack,
            deployment,
            began: SystemTime::now(),
        }
    }

    /// Delivers the hook event, or starts the execution; returns when AWS has been called for it.
    pub async fn trigger(&self) -> Result<String> {
        let response = match &self.case.trigger {
            Trigger::HookEvent(invocation, times) => {
                let deliveries = (0..*times).map(|_| self.deliver(*invocation));
                try_join_all(deliveries).await?.swap_remove(0)
            }
            Trigger::StartExecution(input) => {
                let input = self.filled_in(input);
                self.sfn()
                    .start_execution()
                    .state_machine_arn(self.stack.state_machine_arn())
                    .name(&self.deployment.execution_name)
                    .input(input)
                    .send()
                    .await?;
                String::new()
            }
        };
        Ok(response)
    }

    fn filled_in(&self, input: &str) -> String {
        [
            ("$HOOK", self.deployment.hook().to_string()),
            ("$DISTRIBUTION", self.deployment.distribution_id()),
            ("$TENANT", self.deployment.distribution_tenant_id()),
            ("$LARGE_PATHS", paths(66, 3900).to_string()),
            ("$MANY_PATHS", paths(3000, 10).to_string()),
            ("$MANY_TARGETS", many_targets().to_string()),
        ]
        .iter()
        .fold(input.to_owned(), |input, (name, value)| {
            input.replace(name, value)
        })
    }

    /// Waits until the first call to AWS is over.
    pub async fn until_called(&self) {
        // Hooks of the load share deployments.
        let about = match self.case.deployment {
            Some(_) => &self.deployment.execution_name,
            None => &self.deployment.id,
        };
        // An execution with an invalid input and without a hook calls nothing.
        if matches!(self.case.trigger, Trigger::StartExecution(_))
            && self.case.expected.status == StatusFrom::Nothing
        {
            return;
        }
        let stand_in = &self.environment.aws.stand_in;
        let is_called = || !stand_in.calls_about(about).is_empty();
        until(Duration::from_secs(10), is_called).await;
    }

    /// Lets the rest happen, and waits for all that must come of it but dead letters.
    pub async fn finish(
        &self,
        hook_response: String,
        watcher: Option<&mut (dyn Watcher + Send)>,
    ) -> Result<Outcome> {
        match &self.case.intervention {
            Intervention::ReportManually(status) => self.report(*status).await?,
            Intervention::StopIn(state) => self.stop_in(state).await?,
            Intervention::EarlyEndEvent => {
                self.until_in("WaitForInvalidation").await?;
                self.send_end_event().await?;
            }
            _ => {}
        }
        let execution = if self.case.expected.execution == End::NotStarted {
            self.until_reported(self.patience()).await;
            follow::find(self.sfn(), &self.execution_arn()).await?
        } else {
            let patience = self.patience();
            let ended =
                follow::follow(self.sfn(), &self.execution_arn(), patience, watcher).await?;
            self.until_reported(self.patience_left()).await;
            ended
        };
        match self.case.intervention {
            Intervention::HookEventAgain => {
                self.deliver(Invocation::Synchronous).await?;
            }
            Intervention::EndEventAgain => {
                for _ in 0..2 {
                    self.send_end_event().await?;
                }
            }
            _ => {}
        }
        let reports = self.case.expected.reports.unwrap_or_default();
        until(REPORTS_PATIENCE, || self.reports() >= reports).await;
        Ok(self.observe(hook_response, execution))
    }

    fn observe(&self, hook_response: String, execution: Option<Ended>) -> Outcome {
        let mut outcome = Outcome {
            began: self.began,
            hook_response,
            execution,
            statuses: Vec::new(),
            invalidations: Vec::new(),
            calls: Vec::new(),
            skipped: Vec::new(),
            dead_letter: None,
        };
        observe_again(self.environment, &self.deployment, &mut outcome);
        outcome
    }

    fn sfn(&self) -> &aws_sdk_sfn::Client {
        self.environment.sfn(self.engine)
    }

    fn execution_arn(&self) -> String {
        self.stack.execution_arn(&self.deployment.execution_name)
    }

    fn patience(&self) -> Duration {
        if self.case.long {
            LONG_PATIENCE
        } else {
            PATIENCE
        }
    }

    fn patience_left(&self) -> Duration {
        let passed = self.began.elapsed().unwrap_or_default();
        self.patience().saturating_sub(passed)
    }

    async fn deliver(&self, invocation: Invocation) -> Result<String> {
        let aws = &self.environment.aws;
        stack::invoke(aws, self.stack, invocation, &self.deployment.event).await
    }

    async fn report(&self, status: HookStatus) -> Result<()> {
        let codedeploy = &self.environment.aws.clients.codedeploy;
        codedeploy
            .put_lifecycle_event_hook_execution_status()
            .deployment_id(&self.deployment.id)
            .lifecycle_event_hook_execution_id(&self.deployment.hook_execution_id)
            .status(LifecycleEventStatus::from(status.as_str()))
            .send()
            .await?;
        Ok(())
    }

    /// What EventBridge delivers when an execution has failed.
    async fn send_end_event(&self) -> Result<()> {
        let input = json!({ "hook": self.deployment.hook(), "invalidations": [] });
        let detail = json!({
            "executionArn": self.execution_arn(),
            "stateMachineArn": self.stack.state_machine_arn(),
            "status": "FAILED",
            "input": input.to_string(),
        });
        let entries = json!([{
            "Source": "aws.states",
            "DetailType": "Step Functions Execution Status Change",
            "Detail": detail.to_string(),
        }])
        .to_string();
        let put = format!("events put-events --entries '{entries}'");
        let answer = stack::cli(&self.environment.aws, &put).await?;
        ensure!(answer["FailedEntryCount"] == 0, "{answer}");
        Ok(())
    }

    async fn until_in(&self, state: &str) -> Result<()> {
        follow::wait_for_state(self.sfn(), &self.execution_arn(), state, PATIENCE).await
    }

    async fn stop_in(&self, state: &str) -> Result<()> {
        self.until_in(state).await?;
        if self.case.expected.status == StatusFrom::Completion {
            self.until_reported(PATIENCE).await;
        }
        self.sfn()
            .stop_execution()
            .execution_arn(self.execution_arn())
            .error("Stopped")
            .cause("An engineer chose Stop execution")
            .send()
            .await?;
        Ok(())
    }

    /// Waits until CodeDeploy has a status, where it must; the judge sees what is missing.
    async fn until_reported(&self, patience: Duration) {
        let stand_in = &self.environment.aws.stand_in;
        let hook = &self.deployment.hook_execution_id;
        let is_due = self.case.expected_status().is_some();
        until(patience, || {
            !is_due || !stand_in.accepted_statuses(hook).is_empty()
        })
        .await;
    }

    fn reports(&self) -> usize {
        let stand_in = &self.environment.aws.stand_in;
        let calls = stand_in.calls_about(&self.deployment.id);
        let report = Operation::PutLifecycleEventHookExecutionStatus;
        calls.iter().filter(|call| call.operation == report).count()
    }
}

/// Brings an outcome up to date with what the stand-in has recorded.
pub fn observe_again(environment: &Environment, deployment: &Deployment, outcome: &mut Outcome) {
    let stand_in = &environment.aws.stand_in;
    outcome.statuses = stand_in.accepted_statuses(&deployment.hook_execution_id);
    outcome.invalidations = stand_in.invalidations(&deployment.execution_name);
    outcome.calls = stand_in.calls_about(&deployment.id);
}

/// So many paths, each with so many characters and a number. `$LARGE_PATHS` are more than 248 KiB, which EventBridge takes:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
fn paths(count: usize, characters: usize) -> Value {
    (0..count)
        .map(|number| format!("/{}{number}", "x".repeat(characters)))
        .collect()
}

fn many_targets() -> Value {
    (0..50)
        .map(|number| match number % 2 {
            0 => json!({ "distributionId": format!("EMANY{number:09}"), "paths": ["/*"] }),
            _ => json!({ "distributionTenantId": format!("dt_many{number}"), "paths": ["/*"] }),
        })
        .collect()
}

async fn until(patience: Duration, is_met: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_met() && began.elapsed() < patience {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
