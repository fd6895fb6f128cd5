//! Finds the invalidation that an earlier attempt created, for when CloudFront does not return it.

use std::time::Duration;

use aws_sdk_cloudfront::{Client, types::Invalidation};
use cloudfront::{Failure, Kind};
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::aws::OPERATION_TIMEOUT;
use tokio::time::timeout;

use crate::Input;

/// How many of the newest invalidations are listed: as many as one call returns.
pub const NEWEST: i32 = 100;
/// How many `GetInvalidation` calls are made at the same time.
const CALLS_AT_A_TIME: usize = 20;
/// By how much the clocks of CloudFront and Step Functions may differ.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Finds the invalidation with the input's caller reference among those that were created since the execution started. The
/// list does not have the caller references, so each invalidation is got; all of that may take as long as one call.
///
/// # Errors
/// When CloudFront does not return the invalidations.
pub async fn find(client: &Client, input: &Input) -> Result<Option<Invalidation>, Failure> {
    timeout(OPERATION_TIMEOUT, search(client, input))
        .await
        .unwrap_or_else(|_| {
            Err(Failure::unusable(
                "ListInvalidations and GetInvalidation took too long",
            ))
        })
}

async fn search(client: &Client, input: &Input) -> Result<Option<Invalidation>, Failure> {
    let target = &input.batch.target;
    let newest = cloudfront::list_invalidations(client, target, NEWEST).await?;
    let earliest = input.execution_start_time.as_secs_f64() - CLOCK_TOLERANCE.as_secs_f64();
    let summaries = newest
        .into_iter()
        .filter(|summary| summary.create_time.as_secs_f64() >= earliest)
        // The oldest first: this execution created its invalidation soon after its start.
        .rev();
    let mut found = stream::iter(summaries)
        .map(async |summary| {
            match cloudfront::get_invalidation(client, target, &summary.id).await {
                // CloudFront lists it, but does not find it yet (it is eventually consistent).
                Err(Failure {
                    kind: Kind::InvalidationNotFound | Kind::TargetNotFound,
                    ..
                }) => Ok(None),
                found => found.map(Some),
            }
        })
        .buffered(CALLS_AT_A_TIME);
    while let Some(found) = found.try_next().await? {
        let ours = found.filter(|invalidation| {
            invalidation
                .invalidation_batch()
                .is_some_and(|batch| batch.caller_reference() == input.caller_reference)
        });
        if ours.is_some() {
            return Ok(ours);
        }
    }
    Ok(None)
}
