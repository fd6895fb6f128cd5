//! Decides what to report, and asks Step Functions for what an event does not say.

use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use execution::{arn, describe, name};
use shared::{aws::AwsFailure, failure_action::InvalidationResult, hook::Hook};

use crate::{
    Clients, Error,
    event::{self, EndedExecution, Event, StateInput},
};

/// What to report, and for which hook.
#[derive(Debug)]
pub struct Report {
    /// The execution, where it is known.
    pub execution_name: Option<String>,
    /// The hook that waits, or why there is nothing to report.
    pub hook: Result<Hook, String>,
    /// How the invalidations ended.
    pub result: InvalidationResult,
    /// Whether an execution was started for the hook.
    pub execution_started: bool,
    /// Whether the queue need not deliver the message again.
    pub is_final: bool,
}

impl Report {
    /// Decides what to report.
    ///
    /// # Errors
    /// When Step Functions does not describe an execution that has to be known.
    pub async fn new(
        clients: &Clients,
        state_machine_arn: &str,
        event: Event,
    ) -> Result<Self, Error> {
        match event {
            Event::StateInput(StateInput {
                execution_name,
                hook,
                result,
            }) => Ok(Self {
                execution_name,
                hook: hook.ok_or_else(no_deployment_waits),
                result,
                execution_started: true,
                is_final: true,
            }),
            Event::ExecutionEnded {
                execution,
                may_repeat,
            } => Self::of_ended_execution(clients, execution, may_repeat).await,
            Event::HookFailed {
                hook,
                is_first,
                may_repeat,
            } => {
                let execution_name = name::of_hook(&hook);
                let execution_arn = arn(state_machine_arn, &execution_name);
                let found = describe_if_possible(clients, &execution_arn, may_repeat).await?;
                Ok(Self::of_failed_hook(hook, found.is_some(), is_first))
            }
            Event::OtherEventFailed => Ok(Self {
                execution_name: None,
                hook: Err("The hook function failed for an event that is not CodeDeploy's, so no deployment waits; see its log. To start an execution, invoke the hook function again.".to_owned()),
                result: InvalidationResult::Failed,
                execution_started: false,
                is_final: true,
            }),
        }
    }

    /// The hook function may have started the execution. That execution reports, or has reported. One that has just been
    /// started may not be found: `DescribeExecution` is eventually consistent.
    fn of_failed_hook(hook: Hook, execution_started: bool, is_first: bool) -> Self {
        let execution_name = name::of_hook(&hook);
        let deployment_id = &hook.deployment_id;
        let silence = if execution_started {
            Some(format!(
                "Execution {execution_name} reports for deployment {deployment_id}; nothing to report here."
            ))
        } else {
            is_first.then(|| format!(
                "Step Functions does not find execution {execution_name}. If it does not in a minute, report-status reports for deployment {deployment_id}."
            ))
        };
        Self {
            hook: silence.map_or(Ok(hook), Err),
            result: InvalidationResult::Failed,
            execution_name: Some(execution_name),
            execution_started,
            is_final: execution_started || !is_first,
        }
    }

    async fn of_ended_execution(
        clients: &Clients,
        execution: EndedExecution,
        may_repeat: bool,
    ) -> Result<Self, Error> {
        let EndedExecution {
            execution_arn,
            status,
            mut input,
            mut error,
        } = execution;
        let execution_name = name_in(&execution_arn).to_owned();
        let is_described = input.is_none();
        if is_described {
            let described = describe(&clients.sfn(), &execution_arn).await;
            let described = described
                .and_then(|found| found.ok_or_else(|| AwsFailure::unusable("it does not exist")))
                .map_err(|source| unreadable(&execution_arn, source))?;
            (input, error) = (described.input, described.error);
        }
        // An execution with an invalid input was not started by the hook function, so no deployment waits for it.
        let hook = event::hook_of(&input.unwrap_or_default()).unwrap_or_else(|problem| {
            tracing::warn!(
                execution_name,
                "execution {execution_name} has no valid hook: {problem}"
            );
            None
        });
        if !is_described && hook.is_some() && error.is_none() && status == "FAILED" {
            error = describe_if_possible(clients, &execution_arn, may_repeat)
                .await?
                .and_then(|execution| execution.error);
        }
        tracing::warn!(
            execution_name,
            deployment_id = hook.as_ref().map(|hook| &hook.deployment_id),
            execution_status = status,
            error_name = error,
            "execution {execution_name} ended with status {status}",
        );
        Ok(Self {
            execution_name: Some(execution_name),
            hook: hook.ok_or_else(no_deployment_waits),
            result: InvalidationResult::of_error(error.as_deref()),
            execution_started: true,
            is_final: true,
        })
    }
}

fn no_deployment_waits() -> String {
    "No CodeDeploy hook waits for this execution; nothing to report to CodeDeploy.".to_owned()
}

fn name_in(execution_arn: &str) -> &str {
    execution_arn.rsplit(':').next().unwrap_or(execution_arn)
}

fn unreadable(execution_arn: &str, source: AwsFailure) -> Error {
    Error::ExecutionUnreadable {
        execution_arn: execution_arn.to_owned(),
        source,
    }
}

/// The execution; none if it does not exist. While the message may be repeated, any other error is returned; after that, nothing
/// is known of the execution, but a deployment waits, and its hour passes.
async fn describe_if_possible(
    clients: &Clients,
    execution_arn: &str,
    may_repeat: bool,
) -> Result<Option<DescribeExecutionOutput>, Error> {
    match describe(&clients.sfn(), execution_arn).await {
        Ok(found) => Ok(found),
        Err(source) if may_repeat => Err(unreadable(execution_arn, source)),
        Err(source) => {
            let error = unreadable(execution_arn, source);
            tracing::warn!(execution_name = name_in(execution_arn), "{error}");
            Ok(None)
        }
    }
}
