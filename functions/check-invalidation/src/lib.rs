//! The state `CheckInvalidations`: asks CloudFront for the status of the invalidations in progress, and says how the
//! execution goes on: wait and check again, or end as completed, timed out or failed.
//!
//! What fails for one invalidation is recorded in its row and never stops the others. A status check that CloudFront does
//! not answer is no failure: the invalidation stays in progress, with that error in its row, until a later check or the
//! deadline.

mod failure;
mod summary;

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::Client;
use aws_smithy_types::DateTime;
use futures_util::{StreamExt, stream};
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::{AwsFailure, FUNCTION_TIMEOUT, OPERATION_TIMEOUT},
    document::{self, InvalidDocument},
    errors,
    invalidation::{Created, Invalidation},
    schedule, timestamp,
};
use tokio::time::Instant;

pub use failure::Failure;

/// For so long after its creation CloudFront may not know an invalidation everywhere (it is eventually consistent).
const GRACE: Duration = Duration::from_mins(1);
/// How many invalidations are asked about at the same time.
const CHECKS_AT_A_TIME: usize = 10;
/// No check starts later than this, so that the last one ends before the function does, however slowly CloudFront responds.
const LAST_START: Duration = FUNCTION_TIMEOUT
    .saturating_sub(OPERATION_TIMEOUT)
    .saturating_sub(Duration::from_secs(3));

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log: it begins with the deployment's id. None in an event made manually.
    execution_name: Option<String>,
    #[serde(deserialize_with = "document::non_empty_list")]
    invalidations: Vec<Invalidation>,
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// How the execution goes on.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Of all invalidations together.
    pub status: Status,
    /// The rows of the input, brought up to date.
    pub invalidations: Vec<Invalidation>,
    /// How long to wait before the next status check, in seconds; 0 when there is none.
    pub wait_seconds: u64,
    /// The name of the error that the execution is to fail with, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cause that goes with it: what failed, why, and what to do.
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

/// Why nothing could be checked. The variants' names are the error names that the state machine knows.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input is invalid.
    #[error("{0}. Fix the execution input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::report(&error)
    }
}

/// Asks CloudFront about the invalidations in progress.
///
/// # Errors
/// When the input is invalid. What CloudFront says of an invalidation is never an error here, but in its row.
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
                let seen = if began.elapsed() < LAST_START {
                    check(client, &created, age).await
                } else {
                    Seen::Unknown("there was no time left to check it".to_owned())
                };
                record(seen, created, age, time_left.is_zero())
            }
            ended => ended,
        })
        .buffered(CHECKS_AT_A_TIME)
        .collect()
        .await;
    tracing::info!(
        execution_name,
        "checked the invalidations: {}",
        summary::all(&invalidations)
    );
    let wait = invalidations
        .iter()
        .filter_map(|invalidation| match invalidation {
            Invalidation::InProgress(created) => Some(created.created_at),
            _ => None,
        })
        .map(|created_at| schedule::next_look(timestamp::between(created_at, now)))
        .min();
    let (status, failure) = match wait {
        Some(_) => (Status::InProgress, None),
        None => summary::end(&invalidations, deadline),
    };
    let (error, cause) = failure.unzip();
    Ok(Output {
        status,
        invalidations,
        wait_seconds: wait.map_or(0, |wait| schedule::whole_seconds(wait.min(time_left))),
        error,
        cause,
    })
}

/// What a status check showed.
enum Seen {
    Completed,
    /// And what is odd about it, if anything is.
    InProgress(Option<String>),
    /// CloudFront did not say, for this reason.
    Unknown(String),
    Failed(Failure),
}

async fn check(client: &Client, created: &Created, age: Duration) -> Seen {
    let response = client
        .get_invalidation()
        .distribution_id(created.distribution_id.as_str())
        .id(&created.invalidation_id)
        .send()
        .await
        .map_err(AwsFailure::from)
        .and_then(|response| {
            response.invalidation.ok_or_else(|| {
                AwsFailure::unusable("GetInvalidation's response has no Invalidation")
            })
        });
    match response {
        Ok(found) => match found.status() {
            "Completed" => Seen::Completed,
            "InProgress" => Seen::InProgress(None),
            unknown => Seen::InProgress(Some(format!(
                "CloudFront says {unknown:?}, which is not a documented status; treated as in progress"
            ))),
        },
        Err(failure) if may_pass(&failure, age) => Seen::Unknown(failure.to_string()),
        Err(failure) => Seen::Failed(Failure::new(failure, created)),
    }
}

/// Whether a later status check may be answered.
fn may_pass(failure: &AwsFailure, age: Duration) -> bool {
    failure.is_transient() || (failure.code() == Some("NoSuchInvalidation") && age < GRACE)
}

/// The row after a status check. After the deadline none stays in progress: one that CloudFront said is in progress has
/// timed out, and of one that it said nothing about nobody knows, which is a failure.
fn record(seen: Seen, created: Created, age: Duration, is_last: bool) -> Invalidation {
    let created = Created {
        elapsed_seconds: age.as_secs(),
        last_error: None,
        ..created
    };
    match seen {
        Seen::Completed => Invalidation::Completed(created),
        Seen::InProgress(last_error) => {
            let created = Created {
                last_error,
                ..created
            };
            if is_last {
                Invalidation::TimedOut(created)
            } else {
                Invalidation::InProgress(created)
            }
        }
        Seen::Unknown(reason) if is_last => Failure::unknown(reason, &created).row(created),
        Seen::Unknown(reason) => Invalidation::InProgress(Created {
            last_error: Some(reason),
            ..created
        }),
        Seen::Failed(failure) => failure.row(created),
    }
}
