//! The state `CreateInvalidation`: creates one invalidation in one distribution or distribution tenant.
//!
//! If tags are to be invalidated, it first checks that the distribution has a cache tag header ([`Error::CacheTagsNotConfigured`]).
//!
//! The caller reference is the same on every retry, so CloudFront recognizes a repeated request. If it rejects the repeated
//! request, the function finds the invalidation that the first request created.

mod earlier;

use std::{fmt, time::SystemTime};

use aws_sdk_cloudfront::{
    Client,
    types::{Invalidation as CloudFrontInvalidation, InvalidationBatch as CloudFrontBatch, Paths},
};
use aws_smithy_types::DateTime;
use cloudfront::{Failure, Kind};
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::{AwsFailure, OPERATION_TIMEOUT},
    document::{self, InvalidDocument},
    errors,
    invalidation::{Created, Invalidation, InvalidationBatch, Target},
    schedule, timestamp,
};
use tokio::time::timeout;

/// What to do about an error that this function does not expect.
const LOOK_UP: &str = "Look the error up in the CloudFront API reference";
/// What to do if access to the target is denied.
const AUTHORIZE: &str = "Check that the distribution or distribution tenant is in this account and in the stack's DistributionIds or DistributionTenantIds parameter, and that no permissions boundary or service control policy denies access";
/// What to do if an invalidation that exists can't be found.
const AUTHORIZE_SEARCH: &str = "The invalidation exists already; to find it, the function needs cloudfront:ListInvalidations and cloudfront:GetInvalidation, and for a distribution tenant cloudfront:ListInvalidationsForDistributionTenant and cloudfront:GetInvalidationForDistributionTenant. Check that no permissions boundary or service control policy denies them";
/// What to do if the function may not read the configuration.
const AUTHORIZE_CACHE_TAGS: &str = "To invalidate cache tags, the function needs cloudfront:GetDistributionConfig, and for a distribution tenant cloudfront:GetDistributionTenant. Its role has them only if the stack's CacheTags or Targets parameter is set and the distribution or distribution tenant is in the stack's parameters. Check also that no permissions boundary or service control policy denies access";

/// One item of the state machine's Map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// For the log. It begins with the deployment's id; missing in an event that was written manually.
    execution_name: Option<String>,
    /// No invalidation of this execution is older.
    #[serde(with = "timestamp")]
    execution_start_time: DateTime,
    batch: InvalidationBatch,
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
pub struct Summary {
    target: Target,
    paths: usize,
    wildcards: usize,
    cache_tags: usize,
}

impl From<&InvalidationBatch> for Summary {
    fn from(batch: &InvalidationBatch) -> Self {
        let cache_tags = batch.paths.cache_tag_count();
        Self {
            target: batch.target.clone(),
            paths: batch.paths.count() - cache_tags,
            wildcards: batch.paths.wildcard_count(),
            cache_tags,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            paths,
            wildcards,
            cache_tags,
        } = self;
        write!(
            f,
            "{target} (paths: {paths}, of which wildcards: {wildcards}"
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
    /// As many invalidations are in progress as CloudFront allows, or it throttles. Retried until the deadline.
    #[error(
        "CloudFront does not accept an invalidation for {batch} yet: {source}. The state machine retries until the deadline"
    )]
    CloudFrontBusy {
        /// What was to be invalidated.
        batch: Summary,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// CloudFront fails or does not respond. Retried until the deadline.
    #[error(
        "CloudFront did not create an invalidation for {batch}: {source}. The state machine retries until the deadline; see the AWS Health Dashboard"
    )]
    CloudFrontUnavailable {
        /// What was to be invalidated.
        batch: Summary,
        /// CloudFront's response, if there was one.
        source: AwsFailure,
    },
    /// There is no such distribution in this account, or it is a multi-tenant distribution.
    #[error(
        "CloudFront does not find {batch} in this account: {source}. Correct the stack's DistributionIds parameter, or the execution input. If it is a multi-tenant distribution, it can be invalidated only tenant by tenant: name its tenants in the stack's DistributionTenantIds parameter"
    )]
    DistributionNotFound {
        /// What was to be invalidated.
        batch: Summary,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// There is no such distribution tenant in this account.
    #[error(
        "CloudFront does not find {batch} in this account: {source}. Correct the stack's DistributionTenantIds parameter, or the execution input"
    )]
    DistributionTenantNotFound {
        /// What was to be invalidated.
        batch: Summary,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The function's role isn't authorized.
    #[error(
        "the create-invalidation function isn't authorized to invalidate {batch}: {source}. {advice}"
    )]
    AccessDenied {
        /// What was to be invalidated.
        batch: Summary,
        /// CloudFront's response.
        source: AwsFailure,
        /// What to do about it.
        advice: &'static str,
    },
    /// The distribution has no `CacheTagConfig`, without which tags don't work.
    #[error(
        "{target} has no cache tag header: its configuration has no CacheTagConfig, so CloudFront would not find the objects. Nothing was invalidated in it, not even the paths. Set the distribution's cache tag header, or remove the tags from the stack's CacheTags or Targets parameter or from the execution input"
    )]
    CacheTagsNotConfigured {
        /// The distribution or distribution tenant.
        target: Target,
    },
    /// CloudFront rejects the batch, or the request.
    #[error("CloudFront rejected an invalidation for {batch}: {source}. {advice}")]
    CloudFrontRejected {
        /// What was to be invalidated.
        batch: Summary,
        /// CloudFront's response.
        source: AwsFailure,
        /// What to do about it.
        advice: &'static str,
    },
    /// CloudFront knows the caller reference, but no invalidation of this execution has it. Retried for about a minute.
    #[error(
        "CloudFront says that caller reference {caller_reference} was already used for {target}, but none of its newest {} invalidations that were created since the execution started has it: {source}. Start a new execution with the same input: a new execution uses a new caller reference",
        earlier::NEWEST
    )]
    CallerReferenceUsed {
        /// The distribution or distribution tenant.
        target: Target,
        /// The caller reference.
        caller_reference: String,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// CloudFront had not accepted the invalidation at the deadline.
    #[error(
        "CloudFront did not accept an invalidation for {batch} before the deadline {deadline}. The iteration of CreateInvalidations in the Step Functions console shows the error of each attempt. If it is TooManyInvalidationsInProgress and something else invalidates, wait until its invalidations are completed and start a new execution with the same input; if nothing else does, this invalidation alone exceeds CloudFront's quotas: use fewer paths and cache tags, or one wildcard such as /* in place of several paths. If CloudFront throttled or failed, start a new execution later. If it did not respond, the invalidation may exist: see the CloudFront console. If it is another error, follow its message. If there was no attempt, SettleSeconds and the two seconds for each invalidation take most of MaxWaitSeconds: increase it"
    )]
    InvalidationNotCreated {
        /// What was to be invalidated.
        batch: Summary,
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
    if timestamp::until(now, input.deadline).is_zero() {
        return Err(Error::InvalidationNotCreated {
            batch: Summary::from(&input.batch),
            deadline: input.deadline,
        });
    }
    if input.batch.paths.cache_tag_count() > 0 {
        check_cache_tags(client, &input.batch).await?;
    }
    let accepted = create(client, &input).await?;
    let age = timestamp::between(accepted.create_time, now);
    let is_completed = accepted.status() == "Completed";
    let created = Created {
        target: input.batch.target.clone(),
        invalidation_id: accepted.id,
        path_count: input.batch.paths.count(),
        created_at: accepted.create_time,
        elapsed_seconds: age.as_secs(),
        last_error: None,
    };
    tracing::info!(
        execution_name = input.execution_name,
        target_id = created.target.id(),
        invalidation_id = created.invalidation_id,
        path_count = created.path_count,
        "invalidation {} was created for {}",
        created.invalidation_id,
        Summary::from(&input.batch),
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

/// AWS says that tags work only if the distribution has a cache tag header, but not whether CloudFront rejects them otherwise,
/// or accepts them and invalidates nothing. All calls together may take as long as one.
async fn check_cache_tags(client: &Client, batch: &InvalidationBatch) -> Result<(), Error> {
    let header = cloudfront::has_cache_tag_header(client, &batch.target);
    let found = timeout(OPERATION_TIMEOUT, header)
        .await
        .unwrap_or_else(|_| {
            Err(Failure::unusable(
                "reading the distribution's configuration took too long",
            ))
        });
    match found {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::CacheTagsNotConfigured {
            target: batch.target.clone(),
        }),
        Err(failure) => Err(explain(failure, batch, AUTHORIZE_CACHE_TAGS)),
    }
}

async fn create(client: &Client, input: &Input) -> Result<CloudFrontInvalidation, Error> {
    let batch = &input.batch;
    match cloudfront::create_invalidation(client, &batch.target, request(input)).await {
        Ok(accepted) => Ok(accepted),
        Err(failure) if failure.kind == Kind::CallerReferenceUsed => {
            let found = earlier::find(client, input).await;
            found
                .map_err(|failure| explain(failure, batch, AUTHORIZE_SEARCH))?
                .ok_or_else(|| Error::CallerReferenceUsed {
                    target: batch.target.clone(),
                    caller_reference: input.caller_reference.clone(),
                    source: failure.source,
                })
        }
        Err(failure) => Err(explain(failure, batch, AUTHORIZE)),
    }
}

fn request(input: &Input) -> CloudFrontBatch {
    let paths = &input.batch.paths;
    let paths = Paths::builder()
        .quantity(i32::try_from(paths.count()).unwrap_or(i32::MAX))
        .set_items(Some(paths.iter().collect()))
        .build()
        .expect("it has a quantity");
    CloudFrontBatch::builder()
        .paths(paths)
        .caller_reference(&input.caller_reference)
        .build()
        .expect("it has paths and a caller reference")
}

/// The error that the state machine sees; `authorize` is what to do if access was denied.
fn explain(failure: Failure, batch: &InvalidationBatch, authorize: &'static str) -> Error {
    let Failure { kind, source } = failure;
    let batch = Summary::from(batch);
    let rejected = match kind {
        Kind::Busy => return Error::CloudFrontBusy { batch, source },
        Kind::Unavailable => return Error::CloudFrontUnavailable { batch, source },
        Kind::AccessDenied => {
            return Error::AccessDenied {
                batch,
                source,
                advice: authorize,
            };
        }
        Kind::TargetNotFound => {
            return match batch.target {
                Target::Distribution(_) => Error::DistributionNotFound { batch, source },
                Target::DistributionTenant(_) => {
                    Error::DistributionTenantNotFound { batch, source }
                }
            };
        }
        Kind::BatchTooLarge => {
            "One invalidation cannot have so many items: use fewer paths and cache tags, or wildcards"
        }
        Kind::InvalidArgument => {
            "Correct the stack's Paths, CacheTags or Targets parameter, or the paths of the execution input"
        }
        Kind::InvalidationNotFound | Kind::CallerReferenceUsed | Kind::Rejected => LOOK_UP,
    };
    Error::CloudFrontRejected {
        advice: source.remedy().unwrap_or(rejected),
        batch,
        source,
    }
}
