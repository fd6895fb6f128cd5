//! The invalidation that an earlier attempt has created, where CloudFront does not return it by itself.

use std::time::Duration;

use aws_sdk_cloudfront::{Client, types::Invalidation};
use aws_smithy_types::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::aws::{AwsFailure, OPERATION_TIMEOUT};
use tokio::time::timeout;

/// How many of a distribution's newest invalidations are listed: as many as one call returns.
pub const NEWEST: i32 = 100;
/// How many of those that were created since the execution began are asked about at the same time.
const CHECKS_AT_A_TIME: usize = 20;
/// By how much the clocks of CloudFront and Step Functions may differ.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Whether CloudFront has this caller reference from an earlier request. It documents the first code for a batch with
/// other paths; the second has been seen for the same one (aws-cdk#3878).
pub fn is_caller_reference_used(failure: &AwsFailure) -> bool {
    match failure.code() {
        Some("InvalidationBatchAlreadyExists") => true,
        Some("InvalidArgument") => failure
            .message()
            .is_some_and(|message| message.to_lowercase().contains("caller reference")),
        _ => false,
    }
}

/// Finds the invalidation with this caller reference among those that were created since the execution began. The list does
/// not have the references; each invalidation has its own. Asking about all of them takes no longer than one call may.
///
/// # Errors
/// When CloudFront could not be asked.
pub async fn find(
    client: &Client,
    distribution_id: &str,
    caller_reference: &str,
    execution_began: DateTime,
) -> Result<Option<Invalidation>, AwsFailure> {
    let newest = client
        .list_invalidations()
        .distribution_id(distribution_id)
        .max_items(NEWEST)
        .send()
        .await?;
    let earliest = execution_began.as_secs_f64() - CLOCK_TOLERANCE.as_secs_f64();
    let summaries = newest
        .invalidation_list
        .and_then(|list| list.items)
        .unwrap_or_default()
        .into_iter()
        .filter(|summary| summary.create_time.as_secs_f64() >= earliest)
        // The oldest of them first: this execution created its own when it began.
        .rev();
    let search = async {
        let mut found = stream::iter(summaries)
            .map(|summary| get(client, distribution_id, summary.id))
            .buffered(CHECKS_AT_A_TIME);
        while let Some(found) = found.try_next().await? {
            let ours = found.filter(|invalidation| {
                invalidation
                    .invalidation_batch()
                    .is_some_and(|batch| batch.caller_reference() == caller_reference)
            });
            if ours.is_some() {
                return Ok(ours);
            }
        }
        Ok(None)
    };
    timeout(OPERATION_TIMEOUT, search)
        .await
        .unwrap_or_else(|_| Err(AwsFailure::unusable("GetInvalidation took too long")))
}

/// The invalidation; none where CloudFront lists it, but does not know it everywhere yet.
async fn get(
    client: &Client,
    distribution_id: &str,
    id: String,
) -> Result<Option<Invalidation>, AwsFailure> {
    let found = client
        .get_invalidation()
        .distribution_id(distribution_id)
        .id(id)
        .send()
        .await
        .map_err(AwsFailure::from);
    match found {
        Ok(found) => Ok(found.invalidation),
        Err(failure) if failure.code() == Some("NoSuchInvalidation") => Ok(None),
        Err(failure) => Err(failure),
    }
}
