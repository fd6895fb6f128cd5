//! The state `CreateInvalidation`: asks CloudFront to invalidate the paths of one distribution, once.
//!
//! The caller reference is the same on every retry, so CloudFront sees a repeated request as the one it has; where it
//! refuses it instead, the invalidation that the first request created is looked up.

use std::{collections::BTreeSet, time::SystemTime};

use aws_sdk_cloudfront::{
    Client,
    types::{Invalidation as CloudFrontInvalidation, InvalidationBatch, Paths},
};
use aws_smithy_types::DateTime;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::AwsFailure,
    document::{self, InvalidDocument},
    errors,
    invalidation::{DistributionId, Invalidation, Path, Status},
    schedule, timestamp,
};

/// How many of a distribution's newest invalidations are searched for the one with our caller reference: as many as one
/// call lists. Ours was made minutes ago at most, so it is among the first, unless many deploy behind one distribution.
const NEWEST: i32 = 100;

/// What one item of the state machine's Map asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log: it begins with the deployment's id. None in an event made by hand.
    execution_name: Option<String>,
    distribution_id: DistributionId,
    #[serde(deserialize_with = "document::non_empty_list")]
    paths: BTreeSet<Path>,
    #[serde(deserialize_with = "document::non_empty_text")]
    caller_reference: String,
    /// After this nothing is created any more: nobody would wait for it.
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// The invalidation that CloudFront has accepted.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The row that the states after this one carry on.
    pub invalidation: Invalidation,
    /// How long to wait before the first look at it, in seconds.
    pub wait_seconds: u64,
}

/// Why there is no invalidation. The variants' names are the error names that the state machine knows.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input has a mistake.
    #[error("{0}. Mend the execution's input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
    /// CloudFront works on too many paths of this distribution already; that passes.
    #[error(
        "CloudFront already has as many invalidations of distribution {distribution_id} in progress as it allows: {source}. It is asked again when some are done; if that never ends, look for what else invalidates it"
    )]
    CloudFrontBusy {
        /// The distribution.
        distribution_id: DistributionId,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// CloudFront is throttling, failing or unreachable; that passes, too.
    #[error(
        "CloudFront could not take the invalidation of distribution {distribution_id}: {source}. See the AWS Health Dashboard; when CloudFront answers again, start a new execution with the same input"
    )]
    CloudFrontUnavailable {
        /// The distribution.
        distribution_id: DistributionId,
        /// What came back, if anything did.
        source: AwsFailure,
    },
    /// There is no such distribution in this account.
    #[error(
        "distribution {distribution_id} does not exist in this account: {source}. Correct the stack's DistributionIds parameter"
    )]
    DistributionNotFound {
        /// The distribution.
        distribution_id: DistributionId,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// The function's role may not do it.
    #[error(
        "not allowed to invalidate distribution {distribution_id}: {source}. The function's role covers the distributions of the DistributionIds parameter; look for a permissions boundary or a service control policy that denies it"
    )]
    AccessDenied {
        /// The distribution.
        distribution_id: DistributionId,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// CloudFront does not accept the batch.
    #[error(
        "CloudFront refuses to invalidate these paths of distribution {distribution_id}: {source}. Correct the stack's Paths parameter"
    )]
    CloudFrontRefused {
        /// The distribution.
        distribution_id: DistributionId,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// An invalidation with our reference exists, but not among the newest.
    #[error(
        "CloudFront says that the caller reference {caller_reference} of distribution {distribution_id} has been used, but none of the newest {NEWEST} invalidations has it: {source}. Start a new execution with the same input: its name makes a new reference"
    )]
    CallerReferenceUsed {
        /// The distribution.
        distribution_id: DistributionId,
        /// The reference.
        caller_reference: String,
        /// CloudFront's words.
        source: AwsFailure,
    },
    /// The deadline passed before CloudFront took it.
    #[error(
        "the deadline {deadline} passed before CloudFront took the invalidation of distribution {distribution_id}. Start a new execution with the same input to purge it now"
    )]
    PurgeNotStarted {
        /// The distribution.
        distribution_id: DistributionId,
        /// The deadline.
        deadline: DateTime,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::report(&error)
    }
}

/// Creates the invalidation, or finds the one that an earlier attempt has created.
///
/// # Errors
/// What the state machine retries ([`Error::CloudFrontBusy`], [`Error::CloudFrontUnavailable`]) or ends with.
pub async fn handle(client: &Client, event: Value, now: SystemTime) -> Result<Output, Error> {
    let input: Input = document::parse("the input of CreateInvalidation", &event)?;
    if DateTime::from(now) >= input.deadline {
        return Err(Error::PurgeNotStarted {
            distribution_id: input.distribution_id,
            deadline: input.deadline,
        });
    }
    let accepted = match create(client, &input).await {
        Ok(accepted) => accepted,
        Err(failure) if is_caller_reference_used(&failure) => {
            find_earlier(client, &input, failure).await?
        }
        Err(failure) => return Err(explain(failure, input.distribution_id)),
    };
    let invalidation = Invalidation {
        path_count: input.paths.len(),
        status: Status::from_cloudfront(accepted.status()),
        invalidation_id: accepted.id,
        created_at: accepted.create_time,
        seconds: timestamp::between(accepted.create_time, now).as_secs(),
        distribution_id: input.distribution_id,
        note: None,
    };
    tracing::info!(
        execution.name = input.execution_name,
        distribution.id = invalidation.distribution_id.as_str(),
        invalidation.id = invalidation.invalidation_id,
        invalidation.paths = invalidation.path_count,
        "CloudFront invalidates {} path(s) of distribution {} as {}",
        invalidation.path_count,
        invalidation.distribution_id,
        invalidation.invalidation_id,
    );
    let age = timestamp::between(invalidation.created_at, now);
    Ok(Output {
        wait_seconds: schedule::whole_seconds(schedule::next_look(age)),
        invalidation,
    })
}

/// Where CloudFront's answer lacks the invalidation, there is nothing to wait for: that counts as no answer.
async fn create(client: &Client, input: &Input) -> Result<CloudFrontInvalidation, AwsFailure> {
    let paths = Paths::builder()
        .quantity(i32::try_from(input.paths.len()).unwrap_or(i32::MAX))
        .set_items(Some(
            input.paths.iter().cloned().map(String::from).collect(),
        ))
        .build()
        .map_err(AwsFailure::unusable)?;
    let batch = InvalidationBatch::builder()
        .paths(paths)
        .caller_reference(&input.caller_reference)
        .build()
        .map_err(AwsFailure::unusable)?;
    client
        .create_invalidation()
        .distribution_id(input.distribution_id.as_str())
        .invalidation_batch(batch)
        .send()
        .await?
        .invalidation
        .ok_or_else(|| AwsFailure::unusable("CreateInvalidation's answer has no Invalidation"))
}

/// Whether CloudFront has this caller reference from an earlier request. It documents the first code for a batch with
/// other paths; the second has been seen for the same one (aws-cdk#3878).
fn is_caller_reference_used(failure: &AwsFailure) -> bool {
    match failure.code() {
        Some("InvalidationBatchAlreadyExists") => true,
        Some("InvalidArgument") => failure
            .message()
            .is_some_and(|message| message.to_lowercase().contains("caller reference")),
        _ => false,
    }
}

async fn find_earlier(
    client: &Client,
    input: &Input,
    conflict: AwsFailure,
) -> Result<CloudFrontInvalidation, Error> {
    find_by_reference(client, input)
        .await
        .map_err(|failure| explain(failure, input.distribution_id.clone()))?
        .ok_or_else(|| Error::CallerReferenceUsed {
            distribution_id: input.distribution_id.clone(),
            caller_reference: input.caller_reference.clone(),
            source: conflict,
        })
}

async fn find_by_reference(
    client: &Client,
    input: &Input,
) -> Result<Option<CloudFrontInvalidation>, AwsFailure> {
    let distribution_id = input.distribution_id.as_str();
    let newest = client
        .list_invalidations()
        .distribution_id(distribution_id)
        .max_items(NEWEST)
        .send()
        .await?;
    let summaries = newest
        .invalidation_list
        .and_then(|list| list.items)
        .unwrap_or_default();
    for summary in summaries {
        let found = client
            .get_invalidation()
            .distribution_id(distribution_id)
            .id(summary.id)
            .send()
            .await
            .map_err(AwsFailure::from);
        let found = match found {
            Ok(found) => found.invalidation,
            // Listed, but not known everywhere yet.
            Err(failure) if failure.code() == Some("NoSuchInvalidation") => None,
            Err(failure) => return Err(failure),
        };
        let is_ours = |found: &CloudFrontInvalidation| {
            found
                .invalidation_batch()
                .is_some_and(|batch| batch.caller_reference() == input.caller_reference)
        };
        if let Some(ours) = found.filter(is_ours) {
            return Ok(Some(ours));
        }
    }
    Ok(None)
}

fn explain(source: AwsFailure, distribution_id: DistributionId) -> Error {
    match source.code() {
        Some("TooManyInvalidationsInProgress") => Error::CloudFrontBusy {
            distribution_id,
            source,
        },
        _ if source.is_transient() => Error::CloudFrontUnavailable {
            distribution_id,
            source,
        },
        Some("NoSuchDistribution") => Error::DistributionNotFound {
            distribution_id,
            source,
        },
        Some("AccessDenied") => Error::AccessDenied {
            distribution_id,
            source,
        },
        _ => Error::CloudFrontRefused {
            distribution_id,
            source,
        },
    }
}
