//! Why a call failed: the errors of all operations, by what they mean.

use std::{error::Error, fmt::Display};

use aws_sdk_cloudfront::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        create_invalidation::CreateInvalidationError,
        create_invalidation_for_distribution_tenant::CreateInvalidationForDistributionTenantError,
        get_distribution_config::GetDistributionConfigError,
        get_distribution_tenant::GetDistributionTenantError,
        get_invalidation::GetInvalidationError,
        get_invalidation_for_distribution_tenant::GetInvalidationForDistributionTenantError,
        list_invalidations::ListInvalidationsError,
        list_invalidations_for_distribution_tenant::ListInvalidationsForDistributionTenantError,
    },
};
use shared::aws::AwsFailure;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct Failure {
    /// What CloudFront's error means.
    pub kind: Kind,
    /// CloudFront's response, if there was one.
    pub source: AwsFailure,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The caller isn't authorized.
    AccessDenied,
    /// There is no such distribution or distribution tenant in this account.
    TargetNotFound,
    /// The distribution or distribution tenant has no such invalidation.
    InvalidationNotFound,
    /// As many invalidations are in progress as CloudFront allows, or it throttles.
    Busy,
    /// The batch has more items than an invalidation can have.
    BatchTooLarge,
    /// CloudFront does not take an item of the batch.
    InvalidArgument,
    /// An earlier request had the same caller reference.
    CallerReferenceUsed,
    /// The same call may succeed later: it got a 5xx, no response, or one that can't be used.
    Unavailable,
    /// Anything else.
    Rejected,
}

impl Failure {
    /// A response that lacks what a caller needs, or that takes too long; the next one may have it.
    pub fn unusable(reason: impl Display) -> Self {
        Self {
            kind: Kind::Unavailable,
            source: AwsFailure::unusable(reason),
        }
    }
}

impl<E: Modelled> From<SdkError<E>> for Failure {
    fn from(error: SdkError<E>) -> Self {
        let modelled = error.as_service_error().map(Modelled::kind);
        let source = AwsFailure::from(&error);
        // CloudFront documents the code for a request with other paths; `InvalidArgument` has been seen for the same paths
        // (aws-cdk#3878).
        let names_reference = |message: &str| message.to_lowercase().contains("caller reference");
        let kind = match modelled {
            _ if error.code() == Some("InvalidationBatchAlreadyExists") => {
                Kind::CallerReferenceUsed
            }
            Some(Kind::InvalidArgument) if error.message().is_some_and(names_reference) => {
                Kind::CallerReferenceUsed
            }
            Some(Kind::Busy) => Kind::Busy,
            _ if source.is_throttled() => Kind::Busy,
            _ if source.is_transient() => Kind::Unavailable,
            modelled => modelled.unwrap_or(Kind::Rejected),
        };
        Self { kind, source }
    }
}

/// An operation's error, as the SDK has it.
trait Modelled: ProvideErrorMetadata + Error + 'static {
    fn kind(&self) -> Kind;
}

macro_rules! modelled {
    ($($error:ident { $($variant:ident => $kind:ident),+ $(,)? })+) => {
        $(impl Modelled for $error {
            fn kind(&self) -> Kind {
                match self {
                    $(Self::$variant(_) => Kind::$kind,)+
                    _ => Kind::Rejected,
                }
            }
        })+
    };
}

modelled! {
    CreateInvalidationError {
        AccessDenied => AccessDenied,
        BatchTooLarge => BatchTooLarge,
        InvalidArgument => InvalidArgument,
        NoSuchDistribution => TargetNotFound,
        TooManyInvalidationsInProgress => Busy,
    }
    CreateInvalidationForDistributionTenantError {
        AccessDenied => AccessDenied,
        BatchTooLarge => BatchTooLarge,
        EntityNotFound => TargetNotFound,
        InvalidArgument => InvalidArgument,
        TooManyInvalidationsInProgress => Busy,
    }
    GetDistributionConfigError { AccessDenied => AccessDenied, NoSuchDistribution => TargetNotFound }
    GetDistributionTenantError { AccessDenied => AccessDenied, EntityNotFound => TargetNotFound }
    GetInvalidationError {
        AccessDenied => AccessDenied,
        NoSuchDistribution => TargetNotFound,
        NoSuchInvalidation => InvalidationNotFound,
    }
    GetInvalidationForDistributionTenantError {
        AccessDenied => AccessDenied,
        EntityNotFound => TargetNotFound,
        NoSuchInvalidation => InvalidationNotFound,
    }
    ListInvalidationsError { AccessDenied => AccessDenied, NoSuchDistribution => TargetNotFound }
    ListInvalidationsForDistributionTenantError {
        AccessDenied => AccessDenied,
        EntityNotFound => TargetNotFound,
    }
}
