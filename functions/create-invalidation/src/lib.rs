//! The state `CreateInvalidation`: creates one invalidation for one distribution.
//!
//! If tags are to be invalidated, it first checks that the distribution has a cache tag header ([`Error::CacheTagsNotConfigured`]).
//!
//! The caller reference is the same on every retry, so CloudFront recognizes a repeated request. If it rejects the repeated
//! request, the function finds the invalidation that the first request created.

mod cache_tags;
mod earlier;

use std::{fmt, time::SystemTime};

use aws_sdk_cloudfront::{
    Client,
    error::{BuildError, ProvideErrorMetadata, SdkError},
    operation::create_invalidation::CreateInvalidationError,
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
    invalidation::{Created, DistributionId, Invalidation},
    items::Items,
    schedule, timestamp,
};

/// What to do about an error that this function does not expect.
const LOOK_UP: &str = "Look the error up in the CloudFront API reference";
/// What to do if access to the distribution is denied.
const AUTHORIZE: &str = "Check that the distribution is in this account and in the stack's DistributionIds parameter, and that no permissions boundary or service control policy denies access";

/// One item of the state machine's Map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log. It begins with the deployment's id; missing in an event that was written manually.
    execution_name: Option<String>,
    /// No invalidation of this execution is older.
    #[serde(with = "timestamp")]
    execution_start_time: DateTime,
    distribution_id: DistributionId,
    paths: Items,
    #[serde(deserialize_with = "document::non_empty_text")]
    caller_reference: String,
    /// No attempt starts after this: the execution would not wait for the invalidation.
    #[serde(with = "timestamp")]
    deadline: DateTime,
}

/// The invalidation that CloudFront has accepted.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// The row for the states after this one.
    pub invalidation: Invalidation,
    /// How long to wait before the first status check, in seconds.
    pub wait_seconds: u64,
}

/// What was to be invalidated, as error messages show it.
#[derive(Debug, Clone)]
pub struct Target {
    distribution_id: DistributionId,
    paths: usize,
    wildcards: usize,
    cache_tags: usize,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            distribution_id,
            paths,
            wildcards,
            cache_tags,
        } = self;
        write!(
            f,
            "distribution {distribution_id} (paths: {paths}, of which wildcards: {wildcards}"
        )?;
        if *cache_tags > 0 {
            write!(f, "; cache tags: {cache_tags}")?;
        }
        f.write_str(")")
    }
}

/// Why no invalidation was created. `Retry` and `Catch` in the state machine match the names of the variants.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Error {
    /// The input is invalid.
    #[error("{0}. Fix the execution input and start a new execution")]
    InvalidInput(#[from] InvalidDocument),
    /// The distribution has as many invalidations in progress as CloudFront allows. Retried until the deadline.
    #[error(
        "CloudFront has too many invalidations in progress to accept one for {target}: {source}. The state machine retries until the deadline"
    )]
    CloudFrontBusy {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// CloudFront throttles, fails or does not respond. Retried for about eight minutes.
    #[error(
        "CloudFront did not create an invalidation for {target}: {source}. See the AWS Health Dashboard; when CloudFront is available again, start a new execution with the same input"
    )]
    CloudFrontUnavailable {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response, if there was one.
        source: AwsFailure,
    },
    /// There is no such distribution in this account, or it has tenants only.
    #[error(
        "CloudFront does not find {target} in this account: {source}. Correct the stack's DistributionIds parameter, or the execution input. A multi-tenant distribution can be invalidated only tenant by tenant, which this stack does not do"
    )]
    DistributionNotFound {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The function's role isn't authorized.
    #[error(
        "the create-invalidation function isn't authorized to invalidate {target}: {source}. {advice}"
    )]
    AccessDenied {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
        /// What to do about it.
        advice: &'static str,
    },
    /// The distribution has no `CacheTagConfig`, without which tags don't work.
    #[error(
        "distribution {distribution_id} has no cache tags: its configuration has no CacheTagConfig, so CloudFront would not find the objects. Nothing was invalidated in it, not even the paths. Set the distribution's cache tag header, or remove the tags from the stack's CacheTags parameter or from the execution input"
    )]
    CacheTagsNotConfigured {
        /// The distribution.
        distribution_id: DistributionId,
    },
    /// CloudFront rejects the batch, or the request.
    #[error("CloudFront rejected an invalidation for {target}: {source}. {advice}")]
    CloudFrontRejected {
        /// What was to be invalidated.
        target: Target,
        /// CloudFront's response.
        source: AwsFailure,
        /// What to do about it.
        advice: &'static str,
    },
    /// CloudFront knows the caller reference, but no invalidation of this execution has it. Retried for about a minute.
    #[error(
        "CloudFront says that caller reference {caller_reference} was already used for distribution {distribution_id}, but none of the distribution's newest {} invalidations that were created since the execution started has it: {source}. Start a new execution with the same input: a new execution uses a new caller reference",
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
    /// CloudFront had not accepted the invalidation at the deadline.
    #[error(
        "CloudFront did not accept an invalidation for {target} before the deadline {deadline}, usually because too many invalidations are in progress. If something else invalidates this distribution, wait until its invalidations are completed and start a new execution with the same input. Otherwise this invalidation alone exceeds CloudFront's quotas: use fewer paths and cache tags, or one wildcard such as /* in place of several paths"
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
        errors::diagnostic(&error)
    }
}

/// Creates the invalidation, or finds the one that an earlier attempt created.
///
/// # Errors
/// When the input is invalid, the deadline has passed, or CloudFront does not accept it.
pub async fn handle(client: &Client, event: Value, now: SystemTime) -> Result<Output, Error> {
    let input: Input = document::parse("the input of CreateInvalidation", &event)?;
    let target = Target {
        distribution_id: input.distribution_id.clone(),
        paths: input.paths.count() - input.paths.cache_tag_count(),
        wildcards: input.paths.wildcard_count(),
        cache_tags: input.paths.cache_tag_count(),
    };
    if timestamp::until(now, input.deadline).is_zero() {
        return Err(Error::InvalidationNotCreated {
            target,
            deadline: input.deadline,
        });
    }
    if target.cache_tags > 0 {
        cache_tags::check(client, &target).await?;
    }
    let accepted = create(client, &input, &target).await?;
    let age = timestamp::between(accepted.create_time, now);
    let is_completed = accepted.status() == "Completed";
    let created = Created {
        distribution_id: input.distribution_id,
        invalidation_id: accepted.id,
        path_count: input.paths.count(),
        created_at: accepted.create_time,
        elapsed_seconds: age.as_secs(),
        last_error: None,
    };
    tracing::info!(
        execution_name = input.execution_name,
        distribution_id = created.distribution_id.as_str(),
        invalidation_id = created.invalidation_id,
        path_count = created.path_count,
        "invalidation {} was created for {target}",
        created.invalidation_id,
    );
    Ok(Output {
        invalidation: if is_completed {
            Invalidation::Completed(created)
        } else {
            Invalidation::InProgress(created)
        },
        wait_seconds: schedule::whole_seconds(schedule::next_check(age)),
    })
}

async fn create(
    client: &Client,
    input: &Input,
    target: &Target,
) -> Result<CloudFrontInvalidation, Error> {
    // A response without an invalidation counts as none, so that the state machine retries.
    let unusable = |reason: &dyn fmt::Display| Error::CloudFrontUnavailable {
        target: target.clone(),
        source: AwsFailure::unusable(reason),
    };
    let response = client
        .create_invalidation()
        .distribution_id(input.distribution_id.as_str())
        .invalidation_batch(batch(input).map_err(|error| unusable(&error))?)
        .send()
        .await;
    match response {
        Ok(response) => response
            .invalidation
            .ok_or_else(|| unusable(&"CreateInvalidation's response has no Invalidation")),
        Err(error) if earlier::is_caller_reference_used(&error) => {
            earlier::find(client, input, target)
                .await?
                .ok_or_else(|| Error::CallerReferenceUsed {
                    distribution_id: input.distribution_id.clone(),
                    caller_reference: input.caller_reference.clone(),
                    source: error.into(),
                })
        }
        Err(error) => Err(explain(&error, target)),
    }
}

fn batch(input: &Input) -> Result<InvalidationBatch, BuildError> {
    InvalidationBatch::builder()
        .paths(
            Paths::builder()
                .quantity(i32::try_from(input.paths.count()).unwrap_or(i32::MAX))
                .set_items(Some(input.paths.iter().collect()))
                .build()?,
        )
        .caller_reference(&input.caller_reference)
        .build()
}

fn explain(error: &SdkError<CreateInvalidationError>, target: &Target) -> Error {
    let rejected = match error.as_service_error() {
        Some(service_error) if service_error.is_too_many_invalidations_in_progress() => {
            return Error::CloudFrontBusy {
                target: target.clone(),
                source: error.into(),
            };
        }
        Some(error) if error.is_batch_too_large() => {
            "One invalidation cannot have so many items: use fewer paths and cache tags, or wildcards"
        }
        Some(error) if error.is_invalid_argument() => {
            "Correct the stack's Paths parameter, its CacheTags parameter, or the paths of the execution input"
        }
        _ => LOOK_UP,
    };
    let is_denied = CreateInvalidationError::is_access_denied;
    let is_missing = CreateInvalidationError::is_no_such_distribution;
    let advice = Advice {
        rejected,
        ..Advice::default()
    };
    explain_common(error, target, is_denied, is_missing, &advice)
}

/// What to do about an error, in the words of its operation.
struct Advice {
    denied: &'static str,
    rejected: &'static str,
}

impl Default for Advice {
    fn default() -> Self {
        Self {
            denied: AUTHORIZE,
            rejected: LOOK_UP,
        }
    }
}

/// The errors that all of CloudFront's operations have in common.
fn explain_common<E>(
    error: &SdkError<E>,
    target: &Target,
    is_denied: fn(&E) -> bool,
    is_missing: fn(&E) -> bool,
    advice: &Advice,
) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let source = AwsFailure::from(error);
    let target = target.clone();
    match error.as_service_error() {
        _ if source.is_transient() => Error::CloudFrontUnavailable { target, source },
        Some(error) if is_denied(error) => Error::AccessDenied {
            target,
            source,
            advice: advice.denied,
        },
        Some(error) if is_missing(error) => Error::DistributionNotFound { target, source },
        _ => Error::CloudFrontRejected {
            advice: source.remedy().unwrap_or(advice.rejected),
            target,
            source,
        },
    }
}
