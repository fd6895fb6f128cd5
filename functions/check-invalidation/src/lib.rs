//! The state `CheckInvalidations`: gets the status of the invalidations in progress, and decides whether the execution waits and
//! checks again, or ends because all invalidations are completed, timed out or failed.
//!
//! A failure of one invalidation is recorded in its row and never stops the others. If CloudFront is not available for a status
//! check, the invalidation stays in progress, with that error in its row, until a later check or the deadline.

mod failure;
mod summary;

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::Client;
use aws_smithy_types::DateTime;
use cloudfront::Kind;
use futures_util::{StreamExt, stream};
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::{FUNCTION_TIMEOUT, OPERATION_TIMEOUT},
    document::{self, InvalidDocument},
    errors,
    invalidation::{Created, Invalidation},
    schedule, timestamp,
};
use tokio::time::Instant;

pub use failure::Failure;

/// How long after its creation CloudFront may not find an invalidation, or deny access to it: CloudFront and IAM are eventually
/// consistent.
const GRACE: Duration = Duration::from_mins(1);
/// How many `GetInvalidation` calls are made at the same time.
const CHECKS_AT_A_TIME: usize = 10;
/// No check starts later than this, so that the last one ends before the function times out, however slowly CloudFront responds.
const LAST_START: Duration = FUNCTION_TIMEOUT
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(Duration::from_secs(3));

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log. It begins with the deployment's id; missing in an event that was written manually.
    execution_name: Option<String>,
    #[serde(deserialize_with = "document::non_empty_list")]
    invalidations: Vec<Invalidation>,
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// What the execution does next.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Of all invalidations together.
    pub status: Status,
    /// The rows of the input, with the new statuses.
    pub invalidations: Vec<Invalidation>,
    /// How long to wait before the next status check, in seconds; 0 if there is none.
    pub wait_seconds: u64,
    /// The name of the error that the execution is to fail with, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause of that error: what failed, why, and what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The status of all invalidations of an execution together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// At least one is in progress, and the deadline has not passed.
    InProgress,
    /// CloudFront has said `Completed` for every one.
    Completed,
    /// None failed, and at least one was in progress at the deadline.
    TimedOut,
    /// At least one failed, and none is in progress any more.
    Failed,
}

/// Why nothing was checked. `Retry` and `Catch` in the state machine match the names of the variants.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input is invalid.
    #[error("{0}. Fix the execution input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::diagnostic(&error)
    }
}

/// Gets the status of the invalidations in progress.
///
/// # Errors
/// When the input is invalid. CloudFront's errors are recorded in the rows.
pub async fn handle(client: &Client, event: Value, now: SystemTime) -> Result<Output, Error> {
    let Input {
        execution_name,
        invalidations,
        deadline,
    } = document::parse("the input of CheckInvalidations", &event)?;
    let time_left = timestamp::until(now, deadline);
    let began = Instant::now();
    let invalidations: Vec<_> = stream::iter(invalidations)
        .map(async |invalidation| match invalidation {
            Invalidation::InProgress(created) => {
                let age = timestamp::between(created.created_at, now);
                let found = if began.elapsed() < LAST_START {
                    check(client, &created, age).await
                } else {
                    Found::Nothing("there was no time left to check it".to_owned())
                };
                record(found, created, age, time_left.is_zero())
            }
            ended => ended,
        })
        .buffered(CHECKS_AT_A_TIME)
        .collect()
        .await;
    let wait = invalidations
        .iter()
        .filter_map(|invalidation| match invalidation {
            Invalidation::InProgress(created) => Some(created.created_at),
            _ => None,
        })
        .map(|created_at| schedule::next_check(timestamp::between(created_at, now)))
        .min();
    let (status, failure) = match wait {
        Some(_) => (Status::InProgress, None),
        None => summary::end(&invalidations, deadline),
    };
    let (error, cause) = failure.unzip();
    tracing::info!(
        execution_name,
        status = ?status,
        error_name = error,
        "checked the invalidations: {}",
        summary::all(&invalidations)
    );
    Ok(Output {
        status,
        invalidations,
        wait_seconds: wait.map_or(0, |wait| schedule::whole_seconds(wait.min(time_left))),
        error,
        cause,
    })
}

/// What a status check found.
enum Found {
    Completed,
    /// The undocumented status that CloudFront returned, if it was one.
    InProgress(Option<String>),
    /// CloudFront returned no status, for this reason; a later check may get one.
    Nothing(String),
    Failed(Failure),
}

async fn check(client: &Client, created: &Created, age: Duration) -> Found {
    let found = cloudfront::get_invalidation(client, &created.target, &created.invalidation_id);
    match found.await {
        Ok(invalidation) => match invalidation.status() {
            "Completed" => Found::Completed,
            "InProgress" => Found::InProgress(None),
            other => Found::InProgress(Some(format!(
                "CloudFront returned the status {other:?}, which is not documented; treated as in progress"
            ))),
        },
        Err(failure) if may_pass(failure.kind, age) => Found::Nothing(failure.source.to_string()),
        Err(failure) => Found::Failed(Failure::from(failure)),
    }
}

/// Whether a later status check may succeed.
fn may_pass(kind: Kind, age: Duration) -> bool {
    match kind {
        Kind::InvalidationNotFound | Kind::TargetNotFound | Kind::AccessDenied => age < GRACE,
        Kind::Busy | Kind::Unavailable => true,
        _ => false,
    }
}

/// The row after a status check. None stays in progress after the last check, at the deadline: an invalidation that CloudFront
/// says is in progress has timed out, and one without a status has failed.
fn record(found: Found, created: Created, age: Duration, is_last: bool) -> Invalidation {
    let created = Created {
        elapsed_seconds: age.as_secs(),
        last_error: None,
        ..created
    };
    let (outcome, last_error): (fn(Created) -> Invalidation, _) = match found {
        Found::Completed => (Invalidation::Completed, None),
        Found::InProgress(undocumented) if is_last => (Invalidation::TimedOut, undocumented),
        Found::InProgress(undocumented) => (Invalidation::InProgress, undocumented),
        Found::Nothing(reason) if is_last => {
            return Failure::InvalidationStatusUnknown(reason).row(created);
        }
        Found::Nothing(reason) => (Invalidation::InProgress, Some(reason)),
        Found::Failed(failure) => return failure.row(created),
    };
    outcome(Created {
        last_error,
        ..created
    })
}
