//! Following an execution as the Step Functions console shows it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use aws_sdk_sfn::{
    Client,
    operation::describe_execution::DescribeExecutionError,
    types::{ExecutionStatus, HistoryEvent},
};
use serde_json::Value;

const SHORTEST_INTERVAL: Duration = Duration::from_millis(250);

/// Something that happened in an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Entered {
        state: String,
        input: String,
    },
    /// A task failed; a retry or a catch may follow.
    TaskFailed {
        error: String,
        cause: String,
    },
}

/// What shows an execution while it runs.
pub trait Watcher {
    /// A step happened, so long after the execution's start.
    fn step(&mut self, after: Duration, step: &Step);
    /// Nothing has happened since the last step; called a few times a second.
    fn still(&mut self, state: &str, since: Duration);
}

/// An execution, ended or not.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its status; `RUNNING` if it has not ended in time.
    pub status: ExecutionStatus,
    /// Its output; JSON null if it has none.
    pub output: Value,
    pub error: Option<String>,
    pub cause: Option<String>,
    /// When it started, in seconds since 1970.
    started: f64,
}

/// The execution as it is now; none if there is none.
pub async fn find(sfn: &Client, execution_arn: &str) -> Result<Option<Ended>> {
    let described = sfn.describe_execution().execution_arn(execution_arn).send();
    let execution = match described.await {
        Ok(execution) => execution,
        Err(error)
            if error
                .as_service_error()
                .is_some_and(DescribeExecutionError::is_execution_does_not_exist) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let output = execution.output.as_deref().map(serde_json::from_str);
    Ok(Some(Ended {
        status: execution.status,
        output: output.transpose()?.unwrap_or_default(),
        error: execution.error,
        cause: execution.cause,
        started: execution.start_date.as_secs_f64(),
    }))
}

/// Waits until the execution is or was in this state, at most for `patience`.
pub async fn wait_for_state(
    sfn: &Client,
    execution_arn: &str,
    state: &str,
    patience: Duration,
) -> Result<()> {
    let asked = Instant::now();
    loop {
        let history = history(sfn, execution_arn).await;
        let mut steps = history.iter().flatten().filter_map(step);
        if steps
            .any(|step| matches!(step, Step::Entered { state: entered, .. } if entered == state))
        {
            return Ok(());
        }
        ensure!(
            asked.elapsed() < patience,
            "{execution_arn} has not come to {state}: {history:?}"
        );
        tokio::time::sleep(SHORTEST_INTERVAL).await;
    }
}

/// Follows an execution to its end. One that has not ended when patience is over is returned as it is then, and none if it
/// was not even started.
pub async fn follow(
    sfn: &Client,
    execution_arn: &str,
    patience: Duration,
    mut watcher: Option<&mut (dyn Watcher + Send)>,
) -> Result<Option<Ended>> {
    let began = Instant::now();
    let mut shown = 0;
    let mut state = String::new();
    let mut last_step = began;
    loop {
        // Before the history, so that the history of an execution that has ended is whole.
        let found = find(sfn, execution_arn).await?;
        if let (Some(watcher), Some(execution)) = (watcher.as_mut(), &found) {
            let history = history(sfn, execution_arn).await?;
            for event in &history[shown..] {
                let Some(step) = step(event) else { continue };
                if let Step::Entered { state: entered, .. } = &step {
                    state.clone_from(entered);
                }
                let after = event.timestamp.as_secs_f64() - execution.started;
                let after = Duration::try_from_secs_f64(after).unwrap_or_default();
                watcher.step(after, &step);
                last_step = Instant::now();
            }
            shown = history.len();
            if execution.status == ExecutionStatus::Running {
                watcher.still(&state, last_step.elapsed());
            }
        }
        let is_running = |execution: &Ended| execution.status == ExecutionStatus::Running;
        if !found.as_ref().is_none_or(is_running) || began.elapsed() > patience {
            return Ok(found);
        }
        let longest = Duration::from_secs(if watcher.is_some() { 1 } else { 10 });
        tokio::time::sleep(interval(last_step, longest)).await;
    }
}

/// Until the next poll: shorter at first, so that what is quick is seen soon, and hundreds of slow executions cost the engines
/// little.
fn interval(since: Instant, longest: Duration) -> Duration {
    (since.elapsed() / 10).clamp(SHORTEST_INTERVAL, longest)
}

async fn history(sfn: &Client, execution_arn: &str) -> Result<Vec<HistoryEvent>> {
    let history = sfn.get_execution_history().execution_arn(execution_arn);
    Ok(history.max_results(1000).send().await?.events)
}

fn step(event: &HistoryEvent) -> Option<Step> {
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
