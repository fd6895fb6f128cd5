//! Following an execution as the Step Functions console shows it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use aws_sdk_sfn::{
    Client,
    operation::describe_execution::DescribeExecutionError,
    types::{ExecutionStatus, HistoryEvent},
};
use serde_json::Value;

const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Something that happened in an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A state was entered.
    Entered {
        /// Its name.
        state: String,
        /// Its input, as JSON text.
        input: String,
    },
    /// A task failed; a retry or a catch may follow.
    TaskFailed {
        /// The error's name.
        error: String,
        /// Its cause, as the task gave it.
        cause: String,
    },
}

/// Whoever looks on.
pub trait Watcher {
    /// A step was taken, so long after the execution's start.
    fn step(&mut self, after: Duration, step: &Step);
    /// Nothing has happened since the last step; called a few times a second.
    fn still(&mut self, state: &str, since: Duration);
}

/// Nobody.
pub struct Unwatched;

impl Watcher for Unwatched {
    fn step(&mut self, _: Duration, _: &Step) {}
    fn still(&mut self, _: &str, _: Duration) {}
}

/// An execution that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Succeeded, failed, timed out or aborted.
    pub status: ExecutionStatus,
    /// Its output; JSON null if it has none.
    pub output: Value,
    /// The name of the error it failed with.
    pub error: Option<String>,
    /// The cause it failed with.
    pub cause: Option<String>,
    /// All that happened, in order.
    pub steps: Vec<Step>,
}

/// Waits for the execution to start, at most for `patience`; says whether it did.
///
/// # Errors
/// When Step Functions fails otherwise than by not knowing it.
pub async fn wait_for_start(sfn: &Client, execution_arn: &str, patience: Duration) -> Result<bool> {
    let asked = Instant::now();
    loop {
        match sfn
            .describe_execution()
            .execution_arn(execution_arn)
            .send()
            .await
        {
            Ok(_) => return Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeExecutionError::is_execution_does_not_exist) => {}
            Err(error) => return Err(error.into()),
        }
        if asked.elapsed() > patience {
            return Ok(false);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until the execution is in a state with this name, at most for `patience`.
///
/// # Errors
/// When Step Functions fails, or the execution does not get there in time.
pub async fn wait_for_state(
    sfn: &Client,
    execution_arn: &str,
    state: &str,
    patience: Duration,
) -> Result<()> {
    let asked = Instant::now();
    loop {
        let history = sfn
            .get_execution_history()
            .execution_arn(execution_arn)
            .send()
            .await?;
        let there = history
            .events
            .iter()
            .filter_map(HistoryEvent::state_entered_event_details)
            .any(|entered| entered.name() == state);
        if there {
            return Ok(());
        }
        if asked.elapsed() > patience {
            bail!("{execution_arn} has not come to {state}");
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Follows an execution to its end, at most for `patience`.
///
/// # Errors
/// When Step Functions fails, or the execution outlasts the patience.
pub async fn follow(
    sfn: &Client,
    execution_arn: &str,
    patience: Duration,
    watcher: &mut (dyn Watcher + Send),
) -> Result<Ended> {
    let began = Instant::now();
    let mut steps = Vec::new();
    let mut seen = 0;
    let mut state = String::new();
    let mut last_step = Instant::now();
    loop {
        // In this order, so that the history of an execution that has ended is whole.
        let execution = sfn
            .describe_execution()
            .execution_arn(execution_arn)
            .send()
            .await?;
        let history = sfn
            .get_execution_history()
            .execution_arn(execution_arn)
            .max_results(1000)
            .send()
            .await?;
        for event in &history.events[seen..] {
            let Some(step) = read(event) else { continue };
            if let Step::Entered { state: entered, .. } = &step {
                state.clone_from(entered);
            }
            let after = event.timestamp.as_secs_f64() - execution.start_date.as_secs_f64();
            watcher.step(
                Duration::try_from_secs_f64(after).unwrap_or_default(),
                &step,
            );
            steps.push(step);
            last_step = Instant::now();
        }
        seen = history.events.len();
        if execution.status != ExecutionStatus::Running {
            let output = execution.output.as_deref().map(serde_json::from_str);
            return Ok(Ended {
                status: execution.status,
                output: output.transpose()?.unwrap_or_default(),
                error: execution.error,
                cause: execution.cause,
                steps,
            });
        }
        if began.elapsed() > patience {
            bail!(
                "{execution_arn} is still in {state} after {} s",
                patience.as_secs()
            );
        }
        watcher.still(&state, last_step.elapsed());
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn read(event: &HistoryEvent) -> Option<Step> {
    if let Some(entered) = event.state_entered_event_details() {
        return Some(Step::Entered {
            state: entered.name().to_owned(),
            input: entered.input().unwrap_or_default().to_owned(),
        });
    }
    let failed = event.task_failed_event_details()?;
    Some(Step::TaskFailed {
        error: failed.error().unwrap_or_default().to_owned(),
        cause: failed.cause().unwrap_or_default().to_owned(),
    })
}
