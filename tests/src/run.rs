//! Runs a case: prepares AWS for it, lets it happen, and waits for what must come of it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Result, ensure};
use aws_sdk_codedeploy::types::LifecycleEventStatus;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sfn::{error::SdkError, types::HistoryEvent};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use shared::codedeploy::HookStatus;
use stand_in::{Operation, REGION, StandIn};

use crate::{
    case::{Case, End, Intervention, Invocation, StatusFrom, Trigger},
    deployment::Deployment,
    ecs::{self, EcsDeployment},
    environment::{DEPLOYMENT_GROUP, Environment},
    follow,
    interpreter::Engine,
    judge::{Outcome, Violation, judge},
    stack::Stack,
    until::until,
};

/// Longer than any case takes that does not say that it is long.
const PATIENCE: Duration = Duration::from_mins(3);
/// Sixteen functions that time out one after the other.
const LONG_PATIENCE: Duration = Duration::from_mins(20);
/// A report by the queue comes a few seconds after the execution's end.
const REPORTS_PATIENCE: Duration = Duration::from_secs(30);
/// A state of an accelerated execution may last no longer.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Hundreds of slow executions cost the engines little.
const LONGEST_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// A case on a stack, with a deployment of its own, and what has come of it until now.
pub struct Run {
    environment: Arc<Environment>,
    engine: Engine,
    pub case: Case,
    stack: Stack,
    /// Whose hook it is.
    pub deployment: Deployment,
    pub outcome: Outcome,
}

impl Run {
    /// Prepares AWS for a case.
    pub fn new(environment: &Arc<Environment>, engine: Engine, case: Case, stack: Stack) -> Self {
        let deployment = Deployment::new(&case, engine);
        let stand_in = &environment.stand_in;
        let interpreter = environment.interpreter(engine);
        stand_in.forward_executions_to(&deployment.id, &interpreter.url);
        stand_in.set_behavior(&deployment.id, |behavior| *behavior = case.behavior);
        if case.behavior.lacks_cache_tags {
            stand_in.set_behavior(&case.stack.distributions, |b| b.lacks_cache_tags = true);
        }
        let group = case.deployment_group.as_deref().unwrap_or("shop/web");
        let creator = match &case.trigger {
            Trigger::DeploymentSucceeded(creator) => creator,
            _ => "user",
        };
        stand_in.set_deployment(&deployment.id, group, creator);
        for (item, time) in case.invalidations_take.iter().enumerate() {
            let time = time.map(Duration::from_secs_f64);
            stand_in.invalidations_take(&deployment.caller_reference(item), time);
        }
        for planned in &case.faults {
            let about = match (&planned.about, planned.item) {
                (Some(about), _) => deployment.filled_in(about),
                (None, Some(item)) => deployment.caller_reference(item),
                (None, None) => deployment.id.clone(),
            };
            let fault = planned.fault.clone();
            let times = planned.times.unwrap_or(usize::MAX);
            stand_in.inject(planned.operation, &about, times, fault);
        }
        let outcome = Outcome {
            began: SystemTime::now(),
            hook_response: String::new(),
            ecs: Vec::new(),
            execution: None,
            statuses: Vec::new(),
            invalidations: Vec::new(),
            calls: Vec::new(),
            skipped: Vec::new(),
            dead_letter: None,
        };
        Self {
            environment: Arc::clone(environment),
            engine,
            case,
            stack,
            deployment,
            outcome,
        }
    }

    /// Delivers the hook event, or starts the execution; returns when AWS has been called for it, or should have been.
    pub async fn trigger(&mut self) -> Result<()> {
        if let Some(urls) = self.stack.parameters.get("VerifyUrls") {
            for url in urls.split(',') {
                self.environment.edge().await?.cache(url).await?;
            }
        }
        match &self.case.trigger {
            Trigger::HookEvent(invocation, times) => {
                let deliveries = (0..*times).map(|_| self.deliver(*invocation));
                self.outcome.hook_response = try_join_all(deliveries).await?.swap_remove(0);
            }
            Trigger::StartExecution(input) => {
                let input = self.deployment.filled_in(input);
                let start = self.sfn().start_execution().input(input);
                let start = start.state_machine_arn(&self.stack.outputs["StateMachineArn"]);
                let start = start.name(&self.deployment.execution_name).send().await;
                match start.map_err(SdkError::into_service_error) {
                    // The SDK has tried twice.
                    Err(error) if error.is_execution_already_exists() => {}
                    start => drop(start?),
                }
            }
            Trigger::Manual(event) => {
                let function = self.stack.hook_function();
                let invocation = Invocation::Synchronous;
                let response = self.stack.invoke(function, invocation, event).await?;
                let outcome: Value = serde_json::from_str(&response)?;
                if let Some(name) = outcome["executionName"].as_str() {
                    name.clone_into(&mut self.deployment.execution_name);
                }
                self.outcome.hook_response = response;
            }
            Trigger::DeploymentSucceeded(_) => self.send_success().await?,
            // It takes as long as the execution: see finish.
            Trigger::Ecs(_) => {}
        }
        self.until_called().await
    }

    /// Waits until the first call to AWS is over.
    async fn until_called(&self) -> Result<()> {
        // Hooks of the load share deployments.
        let about = match self.case.deployment {
            Some(_) => &self.deployment.execution_name,
            None => &self.deployment.id,
        };
        // An execution with an invalid input and without a hook.
        let calls_nothing = match self.case.trigger {
            Trigger::StartExecution(_) => self.case.expected.status == StatusFrom::Nothing,
            Trigger::Ecs(_) | Trigger::Manual(_) => true,
            _ => false,
        };
        let is_called =
            async || Ok(calls_nothing || !self.stand_in().calls_about(about).is_empty());
        until(Duration::from_secs(10), POLL_INTERVAL, is_called).await?;
        Ok(())
    }

    /// Lets the rest happen, and waits for all that must come of it but dead letters.
    pub async fn finish(&mut self) -> Result<()> {
        if let Trigger::Ecs(deployment) = self.case.trigger {
            self.deploy(deployment).await?;
        }
        match &self.case.intervention {
            Intervention::ReportManually(status) => self.report(*status).await?,
            Intervention::StopIn(state) => self.stop_in(state).await?,
            Intervention::EarlyEndEvent => {
                self.until_in("WaitForInvalidation").await?;
                self.send_end_event().await?;
            }
            _ => {}
        }
        // First what costs the engines no call.
        self.until_reported(self.patience_left()).await?;
        if self.case.expected.execution != End::NotStarted {
            let (arn, patience) = (self.execution_arn(), self.patience_left());
            follow::when_ended(self.sfn(), &arn, patience, LONGEST_POLL_INTERVAL).await?;
        }
        self.outcome.execution = follow::find(self.sfn(), &self.execution_arn()).await?;
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
        let expected = self.case.expected.reports.unwrap_or_default();
        let report = Operation::PutLifecycleEventHookExecutionStatus;
        let are_made = async || {
            let calls = self.stand_in().calls_about(&self.deployment.id);
            Ok(calls.iter().filter(|call| call.operation == report).count() >= expected)
        };
        until(REPORTS_PATIENCE, POLL_INTERVAL, are_made).await?;
        self.observe();
        Ok(())
    }

    /// Brings the outcome up to date with what the stand-in has recorded.
    pub fn observe(&mut self) {
        let stand_in = &self.environment.stand_in;
        if self.outcome.ecs.is_empty() {
            let hook = &self.deployment.hook_execution_id;
            self.outcome.statuses = stand_in.accepted_statuses(hook);
        }
        self.outcome.invalidations = stand_in.invalidations(&self.deployment.execution_name);
        self.outcome.calls = stand_in.calls_about(&self.deployment.id);
    }

    /// The guarantees that do not hold.
    pub fn judge(&self) -> Vec<Violation> {
        judge(&self.case, &self.outcome)
    }

    pub fn execution_arn(&self) -> String {
        self.stack.execution_arn(&self.deployment.execution_name)
    }

    fn sfn(&self) -> &aws_sdk_sfn::Client {
        &self.environment.interpreter(self.engine).sfn
    }

    fn stand_in(&self) -> &StandIn {
        &self.environment.stand_in
    }

    fn patience_left(&self) -> Duration {
        let is_long = self.case.long;
        let patience = if is_long { LONG_PATIENCE } else { PATIENCE };
        patience.saturating_sub(self.outcome.began.elapsed().unwrap_or_default())
    }

    async fn deliver(&self, invocation: Invocation) -> Result<String> {
        let (function, event) = (self.stack.hook_function(), &self.deployment.event);
        self.stack.invoke(function, invocation, event).await
    }

    /// Plays Amazon ECS.
    async fn deploy(&mut self, deployment: EcsDeployment) -> Result<()> {
        let function = &self.stack.outputs["EcsHookFunctionArn"];
        let invocation = Invocation::Synchronous;
        let call = async |event: &Value| self.stack.invoke(function, invocation, event).await;
        let (id, details) = (&self.deployment.id, &self.case.hook_details);
        let wait_scale = self.environment.wait_scale.unwrap_or(1.0);
        let results = deployment.play(id, details, wait_scale, call).await?;
        let hook = &self.deployment.hook_execution_id;
        let mut stages = results.iter();
        let decisive = stages.find(|result| result.stage == ecs::STAGE || !result.is_valid());
        self.outcome.statuses = Vec::from_iter(decisive.map(|result| result.status(id, hook)));
        self.outcome.ecs = results;
        Ok(())
    }

    async fn report(&self, status: HookStatus) -> Result<()> {
        let codedeploy = aws_sdk_codedeploy::Client::new(&self.stand_in().client_config());
        let put = codedeploy.put_lifecycle_event_hook_execution_status();
        let put = put.deployment_id(&self.deployment.id);
        let put = put.lifecycle_event_hook_execution_id(&self.deployment.hook_execution_id);
        let status = LifecycleEventStatus::from(status.as_str());
        put.status(status).send().await?;
        Ok(())
    }

    /// What EventBridge delivers when a deployment of CodeDeploy has succeeded.
    async fn send_success(&self) -> Result<()> {
        let detail = json!({
            "instanceGroupId": "9fd2fbef-2157-40d8-91e7-6845af69e2d2",
            "region": REGION,
            "application": self.stack.name,
            "deploymentId": self.deployment.id,
            "state": "SUCCESS",
            "deploymentGroup": DEPLOYMENT_GROUP,
        });
        let kind = "CodeDeploy Deployment State-change Notification";
        self.put_event("aws.codedeploy", kind, &detail).await
    }

    /// What EventBridge delivers when an execution has failed.
    async fn send_end_event(&self) -> Result<()> {
        let input = json!({ "hook": self.deployment.hook, "invalidations": [] });
        let detail = json!({
            "executionArn": self.execution_arn(),
            "stateMachineArn": self.stack.outputs["StateMachineArn"],
            "status": "FAILED",
            "input": input.to_string(),
        });
        let kind = "Step Functions Execution Status Change";
        self.put_event("aws.states", kind, &detail).await
    }

    async fn put_event(&self, source: &str, kind: &str, detail: &Value) -> Result<()> {
        let entry = PutEventsRequestEntry::builder().source(source);
        let entry = entry.detail_type(kind).detail(detail.to_string());
        let events = aws_sdk_eventbridge::Client::new(&self.stack.config);
        let put = events.put_events().entries(entry.build());
        let response = put.send().await?;
        ensure!(response.failed_entry_count() == 0, "{response:?}");
        Ok(())
    }

    /// Waits until the execution is or was in this state.
    async fn until_in(&self, state: &str) -> Result<()> {
        let execution_arn = self.execution_arn();
        let is_entered = async || {
            // There may be no execution yet.
            let history = follow::history(self.sfn(), &execution_arn).await;
            let history = history.unwrap_or_default();
            let details = HistoryEvent::state_entered_event_details;
            let mut entered = history.iter().filter_map(details);
            Ok(entered.any(|entered| entered.name() == state))
        };
        ensure!(
            until(PATIENCE, POLL_INTERVAL, is_entered).await?,
            "{execution_arn} has not come to {state}"
        );
        Ok(())
    }

    async fn stop_in(&self, state: &str) -> Result<()> {
        self.until_in(state).await?;
        if self.case.expected.status == StatusFrom::Completion {
            self.until_reported(PATIENCE).await?;
        }
        let stop = self.sfn().stop_execution().error("Stopped");
        let stop = stop.cause("An engineer chose Stop execution");
        stop.execution_arn(self.execution_arn()).send().await?;
        Ok(())
    }

    /// Waits until CodeDeploy has a status, where it must; the judge sees what is missing.
    async fn until_reported(&self, patience: Duration) -> Result<bool> {
        let hook = &self.deployment.hook_execution_id;
        // Amazon ECS has its response already.
        let is_due = self.case.expected_status().is_some() && self.outcome.ecs.is_empty();
        let is_reported =
            async || Ok(!is_due || !self.stand_in().accepted_statuses(hook).is_empty());
        until(patience, POLL_INTERVAL, is_reported).await
    }
}
