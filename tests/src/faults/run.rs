//! A case under way: what happens in it, and how long to wait for what must come of it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_sdk_sfn::types::ExecutionStatus;
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use stand_in::Request;

use super::{
    cases::{Case, End, Incident},
    lab::{DISTRIBUTIONS, Lab},
    verdict::Execution,
};
use crate::{
    scenario::{Decider, Deployment},
    stack::Stack,
};

/// An invalidation of an ordinary case is made within seconds.
const PATIENCE: Duration = Duration::from_mins(3);
/// Of some executions with a mistake in the input there is none.
const FIRST_CALL_PATIENCE: Duration = Duration::from_secs(10);
/// Sixteen functions that time out one after the other.
const LONG_PATIENCE: Duration = Duration::from_mins(20);

/// A case under way.
pub(super) struct Run<'a> {
    pub(super) lab: &'a Lab,
    pub(super) case: &'a Case,
    pub(super) stack: &'a Stack,
    pub(super) sfn: aws_sdk_sfn::Client,
    pub(super) deployment: &'a Deployment,
    pub(super) execution_arn: String,
    pub(super) began: Instant,
}

impl Run<'_> {
    fn patience(&self) -> Duration {
        if self.case.long {
            LONG_PATIENCE
        } else {
            PATIENCE
        }
    }

    /// The hook event, or what starts the execution in its place; until a first call has been answered.
    pub(super) async fn deliver(&self) -> Result<()> {
        let event = &self.deployment.event;
        let deliver = || self.lab.invoke(self.stack, "Event", event);
        match self.case.incident {
            Incident::Synchronous => {
                self.lab
                    .invoke(self.stack, "RequestResponse", event)
                    .await?;
            }
            Incident::EventAtOnce(times) => {
                try_join_all((0..times).map(|_| deliver())).await?;
            }
            Incident::StartedWith(input) => {
                self.start_with(&input.replace("$HOOK", &self.hook()?.to_string()))
                    .await?;
            }
            Incident::HugeInputStopped => self.start_with_huge_input().await?,
            _ => deliver().await?,
        }
        let stand_in = &self.lab.aws.stand_in;
        // The hooks of the load share deployments.
        let first_call = if self.case.is_load() {
            &self.deployment.execution_name
        } else {
            &self.deployment.id
        };
        while stand_in.calls_about(first_call).is_empty()
            && self.began.elapsed() < FIRST_CALL_PATIENCE
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What else happens while the purge is under way.
    pub(super) async fn intervene(&self) -> Result<()> {
        match self.case.incident {
            Incident::HugeInputStopped => self.stop_in("WaitForInvalidation").await,
            Incident::AnsweredByHand(answer) => self.put(answer).await,
            Incident::StopIn(state) => self.stop_in(state).await,
            Incident::EndTooEarly => {
                self.until_in("WaitForInvalidation").await?;
                self.tell_the_net("FAILED").await
            }
            _ => Ok(()),
        }
    }

    async fn start_with_huge_input(&self) -> Result<()> {
        let path = format!("/{}", "x".repeat(3900));
        let paths: Vec<_> = (0..66).map(|number| format!("{path}{number}")).collect();
        let invalidations: Vec<_> = DISTRIBUTIONS
            .split(',')
            .take(1)
            .map(|id| json!({ "distributionId": id, "paths": paths }))
            .collect();
        let input = json!({
            "hook": self.hook()?,
            "invalidations": invalidations,
        });
        self.start_with(&input.to_string()).await
    }

    async fn start_with(&self, input: &str) -> Result<()> {
        self.sfn
            .start_execution()
            .state_machine_arn(self.stack.state_machine_arn())
            .name(&self.deployment.execution_name)
            .input(input)
            .send()
            .await?;
        Ok(())
    }

    /// As the execution's input has it.
    fn hook(&self) -> Result<Value> {
        let event: Value = serde_json::from_str(&self.deployment.event)?;
        Ok(json!({
            "deploymentId": event["DeploymentId"],
            "lifecycleEventHookExecutionId": event["LifecycleEventHookExecutionId"],
        }))
    }

    /// As an engineer with the AWS CLI.
    async fn put(&self, answer: &str) -> Result<()> {
        let mut request = self.hook()?;
        request["status"] = json!(answer);
        let target = "CodeDeploy_20141006.PutLifecycleEventHookExecutionStatus";
        let url = self.lab.aws.stand_in.url();
        let headers = [("x-amz-target", target)];
        self.lab
            .post(&url, &headers, request.to_string())
            .await
            .map(drop)
    }

    async fn tell_the_net(&self, status: &str) -> Result<()> {
        let input = json!({
            "hook": self.hook()?,
            "invalidations": [],
        });
        let detail = json!({
            "executionArn": self.execution_arn,
            "stateMachineArn": self.stack.state_machine_arn(),
            "status": status,
            "input": input.to_string(),
        });
        let request = json!({ "Entries": [{
            "Source": "aws.states",
            "DetailType": "Step Functions Execution Status Change",
            "Detail": detail.to_string(),
        }]});
        let headers = [
            ("x-amz-target", "AWSEvents.PutEvents"),
            ("content-type", "application/x-amz-json-1.1"),
        ];
        let url = &self.lab.aws.url;
        let answer = self.lab.post(url, &headers, request.to_string()).await?;
        ensure!(answer["FailedEntryCount"] == 0, "{answer}");
        Ok(())
    }

    async fn until_in(&self, state: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let history = self
                .sfn
                .get_execution_history()
                .execution_arn(&self.execution_arn)
                .send()
                .await;
            let entered = history.is_ok_and(|history| {
                let mut states = history
                    .events
                    .iter()
                    .filter_map(|e| e.state_entered_event_details());
                states.any(|entered| entered.name() == state)
            });
            if entered {
                return Ok(());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{} has not come to {state}",
                self.execution_arn
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn stop_in(&self, state: &str) -> Result<()> {
        self.until_in(state).await?;
        while self.case.decider == Decider::Completion
            && !self.is_answered()
            && self.began.elapsed() < PATIENCE
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.sfn
            .stop_execution()
            .execution_arn(&self.execution_arn)
            .error("StoppedByHand")
            .send()
            .await?;
        Ok(())
    }

    fn is_answered(&self) -> bool {
        let stand_in = &self.lab.aws.stand_in;
        !stand_in
            .accepted_statuses(&self.deployment.hook_execution_id)
            .is_empty()
    }

    /// Until CodeDeploy has an answer; no longer than patience lasts, and the judge sees what is missing.
    pub(super) async fn until_answered(&self) {
        while self.case.expected_answer().is_some()
            && !self.is_answered()
            && self.began.elapsed() < self.patience()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(super) async fn until_ended(&self) -> Result<Option<Execution>> {
        loop {
            let found = self
                .sfn
                .describe_execution()
                .execution_arn(&self.execution_arn)
                .send()
                .await;
            let execution = match found {
                Ok(found) => found,
                Err(error)
                    if error
                        .as_service_error()
                        .is_some_and(aws_sdk_sfn::operation::describe_execution::DescribeExecutionError::is_execution_does_not_exist) =>
                {
                    // One that has to be there may not have been started yet.
                    if self.case.end == End::NoExecution || self.began.elapsed() > self.patience() {
                        return Ok(None);
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if execution.status != ExecutionStatus::Running
                || self.began.elapsed() > self.patience()
            {
                return Ok(Some(Execution {
                    status: execution.status.as_str().to_owned(),
                    error: execution.error,
                    cause: execution.cause,
                }));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// What still happens after the end, and what it must not change.
    pub(super) async fn aftermath(&self, execution: Option<&Execution>) -> Result<()> {
        match self.case.incident {
            Incident::EventAgainAfter => {
                let event = &self.deployment.event;
                self.lab
                    .invoke(self.stack, "RequestResponse", event)
                    .await?;
            }
            Incident::EndAgain => {
                for _ in 0..2 {
                    self.tell_the_net("FAILED").await?;
                }
            }
            _ => {}
        }
        let red = execution.is_some_and(|execution| execution.status != "SUCCEEDED");
        let reports = match self.case.incident {
            Incident::EndAgain => 4,
            _ if red && matches!(self.case.end, End::Failed(_)) => 2,
            _ => 0,
        };
        // The safety net's own report of a red execution: so that it is seen if CodeDeploy takes it, too.
        let began = Instant::now();
        while self.reports() < reports && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn reports(&self) -> usize {
        let calls = self.lab.aws.stand_in.calls_about(&self.deployment.id);
        calls
            .iter()
            .filter(|call| matches!(call.request, Request::HookStatus { .. }))
            .count()
    }
}
