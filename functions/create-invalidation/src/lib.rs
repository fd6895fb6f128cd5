//! The state `CreateInvalidation`: asks CloudFront to invalidate the paths of one distribution, once.
//!
//! The caller reference is the same on every retry, so CloudFront recognizes a repeated request; where it rejects it
//! instead, the invalidation that the first request created is looked up.

mod earlier;

use std::{collections::BTreeSet, fmt, time::SystemTime};

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
    invalidation::{Created, DistributionId, Invalidation, Path},
    schedule, timestamp,
};

/// What one item of the state machine's Map asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log: it begins with the deployment's id. None in an event made manually.
    execution_name: Option<String>,
    /// No invalidation of this execution is older.
    #[serde(with = "timestamp")]
    execution_start_time: DateTime,
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
    /// The row that the states after this one pass on.
    pub invalidation: Invalidation,
    /// How long to wait before the first status check, in seconds.
    pub wait_seconds: u64,
}

/// What was to be invalidated, as an error says it.
#[derive(Debug, Clone)]
pub struct Target {
    distribution_id: DistributionId,
    paths: usize,
    wildcards: usize,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            distribution_id,
            paths,
            wildcards,
        } = self;
        write!(
            f,
            "distribution {distribution_id} (paths: {paths}, of which wildcards: {wildcards})"
        )
    }
}

/// Why there is no invalidation. The variants' names are the error names that the state machine knows.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input is invalid.
    #[error("{0}. Fix the execution input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
    /// CloudFront's quota of invalidations in progress is used up for now. Retried until the deadline.
    #[error(
        "CloudFront has too many invalidations in progress to accept one of {target}: {source}. It is retried until the deadline"
    )]
    CloudFrontBusy {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// CloudFront throttles, fails or does not respond. Retried for about eight minutes.
    #[error(
        "CloudFront could not accept an invalidation of {target}: {source}. See the AWS Health Dashboard; when CloudFront responds again, start a new execution with the same input"
    )]
    CloudFrontUnavailable {
        /// What was to be invalidated.
        target: Target,
        /// What came back, if anything did.
        source: AwsFailure,
    },
    /// There is no such distribution in this account, or it has tenants only.
    #[error(
        "CloudFront does not find {target} in this account: {source}. Correct the stack's DistributionIds parameter; a multi-tenant distribution cannot be invalidated as a whole, and this stack does not invalidate tenants"
    )]
    DistributionNotFound {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The function's role isn't authorized.
    #[error(
        "not authorized to invalidate {target}: {source}. Check that the distribution is in this account and in the stack's DistributionIds parameter, and that no permissions boundary or service control policy denies it"
    )]
    AccessDenied {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// CloudFront rejects the batch, or the request.
    #[error(
        "CloudFront rejected an invalidation of {target}: {source}. {}",
        advice(source)
    )]
    CloudFrontRejected {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The caller reference is in use, but no invalidation of this execution has it.
    #[error(
        "CloudFront says that the caller reference {caller_reference} was used before for distribution {distribution_id}, but none of its newest {} invalidations that were created since the execution began has it: {source}. Start a new execution with the same input: its name makes a new caller reference",
        earlier::NEWEST
    )]
    CallerReferenceUsed {
        /// The distribution.
        distribution_id: DistributionId,
        /// The caller reference.
        caller_reference: String,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The deadline passed before CloudFront accepted it.
    #[error(
        "CloudFront did not accept an invalidation of {target} before the deadline {deadline}: as a rule, because too many are in progress. If something else invalidates this distribution, wait for that and start a new execution with the same input. If nothing else does, the batch alone exceeds CloudFront's quotas: use fewer paths, or one wildcard such as /* in place of several"
    )]
    InvalidationNotCreated {
        /// What was to be invalidated.
        target: Target,
        /// The deadline.
        deadline: DateTime,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        errors::report(&error)
    }
}

/// What to do about a batch that CloudFront rejects.
fn advice(failure: &AwsFailure) -> &'static str {
    failure.remedy().unwrap_or(match failure.code() {
        Some("BatchTooLarge") => "One invalidation cannot have so many paths: use fewer, or wildcards",
        Some("InvalidArgument") => "Correct the stack's Paths parameter, or the paths of the execution input",
        _ => "Look the error up in the CloudFront API reference, CreateInvalidation; if it is about this function's request, please report it",
    })
}

/// Creates the invalidation, or finds the one that an earlier attempt has created.
///
/// # Errors
/// When the input is invalid, the deadline has passed, or CloudFront does not accept it.
pub async fn handle(client: &Client, event: Value, now: SystemTime) -> Result<Output, Error> {
    let input: Input = document::parse("the input of CreateInvalidation", &event)?;
    let target = Target {
        distribution_id: input.distribution_id.clone(),
        paths: input.paths.len(),
        wildcards: input.paths.iter().filter(|path| path.is_wildcard()).count(),
    };
    if timestamp::until(now, input.deadline).is_zero() {
        return Err(Error::InvalidationNotCreated {
            target,
            deadline: input.deadline,
        });
    }
    let accepted = match create(client, &input).await {
        Ok(accepted) => accepted,
        Err(failure) if earlier::is_caller_reference_used(&failure) => {
            find_earlier(client, &input, failure, target.clone()).await?
        }
        Err(failure) => return Err(explain(failure, target)),
    };
    let age = timestamp::between(accepted.create_time, now);
    let is_completed = accepted.status() == "Completed";
    let created = Created {
        distribution_id: input.distribution_id,
        invalidation_id: accepted.id,
        path_count: input.paths.len(),
        created_at: accepted.create_time,
        elapsed_seconds: age.as_secs(),
        last_error: None,
    };
    tracing::info!(
        execution_name = input.execution_name,
        distribution_id = created.distribution_id.as_str(),
        invalidation_id = created.invalidation_id,
        path_count = created.path_count,
        "created invalidation {} of {target}",
        created.invalidation_id,
    );
    Ok(Output {
        invalidation: if is_completed {
            Invalidation::Completed(created)
        } else {
            Invalidation::InProgress(created)
        },
        wait_seconds: schedule::whole_seconds(schedule::next_look(age)),
    })
}

/// Where CloudFront's response lacks the invalidation, there is nothing to wait for: that counts as no response.
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
        .ok_or_else(|| AwsFailure::unusable("CreateInvalidation's response has no Invalidation"))
}

async fn find_earlier(
    client: &Client,
    input: &Input,
    conflict: AwsFailure,
    target: Target,
) -> Result<CloudFrontInvalidation, Error> {
    let distribution_id = input.distribution_id.as_str();
    let began = input.execution_start_time;
    earlier::find(client, distribution_id, &input.caller_reference, began)
        .await
        .map_err(|failure| explain(failure, target))?
        .ok_or_else(|| Error::CallerReferenceUsed {
            distribution_id: input.distribution_id.clone(),
            caller_reference: input.caller_reference.clone(),
            source: conflict,
        })
}

fn explain(source: AwsFailure, target: Target) -> Error {
    match source.code() {
        Some("TooManyInvalidationsInProgress") => Error::CloudFrontBusy { target, source },
        _ if source.is_transient() => Error::CloudFrontUnavailable { target, source },
        Some("NoSuchDistribution") => Error::DistributionNotFound { target, source },
        Some("AccessDenied") => Error::AccessDenied { target, source },
        _ => Error::CloudFrontRejected { target, source },
    }
}
