//! Finds the invalidation that an earlier attempt created, for when CloudFront does not return it.

use std::time::Duration;

use aws_sdk_cloudfront::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        create_invalidation::CreateInvalidationError, get_invalidation::GetInvalidationError,
        list_invalidations::ListInvalidationsError,
    },
    types::Invalidation,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use shared::aws::{AwsFailure, OPERATION_TIMEOUT};
use tokio::time::timeout;

use crate::{Advice, Error, Input, Target, explain_common};

/// How many of a distribution's newest invalidations are listed: as many as one call returns.
pub const NEWEST: i32 = 100;
/// How many `GetInvalidation` calls are made at the same time.
const CALLS_AT_A_TIME: usize = 20;
/// By how much the clocks of CloudFront and Step Functions may differ.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// Whether CloudFront knows the caller reference from an earlier request. It documents the first code for a request with other
/// paths; the second has been seen for the same paths (aws-cdk#3878).
pub fn is_caller_reference_used(error: &SdkError<CreateInvalidationError>) -> bool {
    let is_about_caller_reference =
        |message: &str| message.to_lowercase().contains("caller reference");
    error.code() == Some("InvalidationBatchAlreadyExists")
        || error.as_service_error().is_some_and(|error| {
            error.is_invalid_argument() && error.message().is_some_and(is_about_caller_reference)
        })
}

/// Finds the invalidation with the input's caller reference among those that were created since the execution started. The
/// list does not have the caller references, so each invalidation is got; all of that may take as long as one call.
///
/// # Errors
/// When CloudFront does not return the invalidations.
pub async fn find(
    client: &Client,
    input: &Input,
    target: &Target,
) -> Result<Option<Invalidation>, Error> {
    timeout(OPERATION_TIMEOUT, search(client, input, target))
        .await
        .unwrap_or_else(|_| {
            Err(Error::CloudFrontUnavailable {
                target: target.clone(),
                source: AwsFailure::unusable("ListInvalidations and GetInvalidation took too long"),
            })
        })
}

async fn search(
    client: &Client,
    input: &Input,
    target: &Target,
) -> Result<Option<Invalidation>, Error> {
    let newest = client
        .list_invalidations()
        .distribution_id(input.distribution_id.as_str())
        .max_items(NEWEST)
        .send()
        .await
        .map_err(|error| {
            let is_denied = ListInvalidationsError::is_access_denied;
            let is_missing = ListInvalidationsError::is_no_such_distribution;
            explain_common(&error, target, is_denied, is_missing, &Advice::default())
        })?;
    let earliest = input.execution_start_time.as_secs_f64() - CLOCK_TOLERANCE.as_secs_f64();
    let summaries = newest
        .invalidation_list
        .and_then(|list| list.items)
        .unwrap_or_default()
        .into_iter()
        .filter(|summary| summary.create_time.as_secs_f64() >= earliest)
        // The oldest first: this execution created its invalidation soon after its start.
        .rev();
    let mut found = stream::iter(summaries)
        .map(|summary| get(client, summary.id, target))
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

/// The invalidation; none if CloudFront lists it but does not find it yet (it is eventually consistent).
async fn get(client: &Client, id: String, target: &Target) -> Result<Option<Invalidation>, Error> {
    let response = client
        .get_invalidation()
        .distribution_id(target.distribution_id.as_str())
        .id(id)
        .send()
        .await;
    match response {
        Ok(response) => Ok(response.invalidation),
        Err(error)
            if error
                .as_service_error()
                .is_some_and(GetInvalidationError::is_no_such_invalidation) =>
        {
            Ok(None)
        }
        Err(error) => {
            let is_denied = GetInvalidationError::is_access_denied;
            let is_missing = GetInvalidationError::is_no_such_distribution;
            Err(explain_common(
                &error,
                target,
                is_denied,
                is_missing,
                &Advice::default(),
            ))
        }
    }
}
