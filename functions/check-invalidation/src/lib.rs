//! The state `CheckInvalidations`: asks CloudFront about the invalidations that are still in progress, and says whether
//! the edge is fresh or when to look again.
//!
//! A look that CloudFront does not answer is not a failed purge: the invalidation stays in progress, with a note, until
//! a later look or the deadline.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::Client;
use aws_smithy_types::DateTime;
use futures_util::future::join_all;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    document::{self, InvalidDocument},
    errors,
    invalidation::{DistributionId, Invalidation, Status},
    schedule, timestamp,
};

/// For so long after its creation CloudFront may not know an invalidation everywhere (it is eventually consistent).
const GRACE: Duration = Duration::from_mins(1);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log: it begins with the deployment's id. None in an event made by hand.
    execution_name: Option<String>,
    #[serde(deserialize_with = "document::non_empty_list")]
    invalidations: Vec<Invalidation>,
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// Where the purge stands.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// `Completed` only when CloudFront has said so of every invalidation.
    pub status: Status,
    /// The rows of the input, brought up to date.
    pub invalidations: Vec<Invalidation>,
    /// How long to wait before the next look, in seconds; 0 when there is none.
    pub wait_seconds: u64,
}

/// Why the purge cannot be watched to its end. The variants' names are the error names that the state machine knows.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input has a mistake.
    #[error("{0}. Mend the execution's input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
    /// The invalidation is not there, though it was created a while ago.
    #[error(
        "CloudFront does not know invalidation {invalidation_id} of distribution {distribution_id}: {source}. Was the distribution deleted meanwhile? If not, start a new execution with the same input"
    )]
    InvalidationNotFound {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// The function's role may not look.
    #[error(
        "not allowed to see how invalidation {invalidation_id} of distribution {distribution_id} stands: {source}. The function's role covers the distributions of the DistributionIds parameter; look for a permissions boundary or a service control policy that denies it"
    )]
    AccessDenied {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// CloudFront does not take the question.
    #[error(
        "CloudFront refuses to say how invalidation {invalidation_id} of distribution {distribution_id} stands: {source}. See the invalidation in its console"
    )]
    CloudFrontRefused {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// The deadline has come and something is still in progress.
    #[error("not purged by the deadline {deadline}: {}. CloudFront goes on with it and cannot be stopped; see the invalidations in its console", pending.join("; "))]
    PurgeOverdue {
        /// The deadline.
        deadline: DateTime,
        /// A sentence for each invalidation that is still in progress.
        pending: Vec<String>,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::report(&error)
    }
}

/// Asks about the pending invalidations, all at the same time.
///
/// # Errors
/// When one cannot be watched any further, or the deadline has come.
pub async fn handle(client: &Client, event: Value, now: SystemTime) -> Result<Output, Error> {
    let Input {
        execution_name,
        invalidations,
        deadline,
    } = document::parse("the input of CheckInvalidations", &event)?;
    let looks = invalidations.into_iter().map(|i| look(client, i, now));
    let invalidations = join_all(looks)
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let pending: Vec<_> = invalidations
        .iter()
        .filter(|i| i.status != Status::Completed)
        .collect();
    let ids =
        |id: fn(&Invalidation) -> &str| invalidations.iter().map(id).collect::<Vec<_>>().join(",");
    tracing::info!(
        execution.name = execution_name,
        distribution.ids = ids(|i| i.distribution_id.as_str()),
        invalidation.ids = ids(|i| &i.invalidation_id),
        "{} of {} invalidations are completed: {}",
        invalidations.len() - pending.len(),
        invalidations.len(),
        invalidations
            .iter()
            .map(describe)
            .collect::<Vec<_>>()
            .join("; "),
    );
    if pending.is_empty() {
        return Ok(Output {
            status: Status::Completed,
            invalidations,
            wait_seconds: 0,
        });
    }
    let left = timestamp::until(now, deadline);
    if left.is_zero() {
        return Err(Error::PurgeOverdue {
            deadline,
            pending: pending.into_iter().map(describe).collect(),
        });
    }
    let wait = pending
        .iter()
        .map(|i| schedule::next_look(timestamp::between(i.created_at, now)))
        .min()
        .unwrap_or_default();
    Ok(Output {
        status: Status::InProgress,
        wait_seconds: schedule::whole_seconds(wait.min(left)),
        invalidations,
    })
}

async fn look(client: &Client, last: Invalidation, now: SystemTime) -> Result<Invalidation, Error> {
    if last.status == Status::Completed {
        return Ok(last);
    }
    let age = timestamp::between(last.created_at, now);
    let answer = client
        .get_invalidation()
        .distribution_id(last.distribution_id.as_str())
        .id(&last.invalidation_id)
        .send()
        .await
        .map_err(AwsFailure::from)
        .and_then(|answer| {
            answer
                .invalidation
                .ok_or_else(|| AwsFailure::unusable("GetInvalidation's answer has no Invalidation"))
        });
    let (status, note) = match answer {
        Ok(found) => (Status::from_cloudfront(found.status()), None),
        Err(failure) if may_pass(&failure, age) => {
            (Status::InProgress, Some(format!("last look: {failure}")))
        }
        Err(failure) => return Err(explain(failure, last)),
    };
    Ok(Invalidation {
        status,
        note,
        seconds: age.as_secs(),
        ..last
    })
}

/// Whether a later look may be answered.
fn may_pass(failure: &AwsFailure, age: Duration) -> bool {
    failure.is_transient() || (failure.code() == Some("NoSuchInvalidation") && age < GRACE)
}

fn explain(source: AwsFailure, last: Invalidation) -> Error {
    let Invalidation {
        distribution_id,
        invalidation_id,
        ..
    } = last;
    match source.code() {
        Some("NoSuchInvalidation" | "NoSuchDistribution") => Error::InvalidationNotFound {
            distribution_id,
            invalidation_id,
            source,
        },
        Some("AccessDenied") => Error::AccessDenied {
            distribution_id,
            invalidation_id,
            source,
        },
        _ => Error::CloudFrontRefused {
            distribution_id,
            invalidation_id,
            source,
        },
    }
}

fn describe(invalidation: &Invalidation) -> String {
    let stands = match invalidation.status {
        Status::Completed => "completed",
        Status::InProgress => "still in progress",
    };
    let note = invalidation
        .note
        .as_ref()
        .map(|note| format!(" ({note})"))
        .unwrap_or_default();
    format!(
        "invalidation {} of distribution {} is {stands} after {} s{note}",
        invalidation.invalidation_id, invalidation.distribution_id, invalidation.seconds
    )
}
