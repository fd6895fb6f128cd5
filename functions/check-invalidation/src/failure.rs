//! Why an invalidation's status could not be learned.

use shared::{
    aws::AwsFailure,
    errors::{MAX_MESSAGE_CHARACTERS, shorten},
    invalidation::{Created, DistributionId, Failed, Invalidation},
};

/// Why an invalidation's status could not be learned. The variants' names are the error names in the rows, and of the
/// execution.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr, strum::VariantNames)]
pub enum Failure {
    /// The invalidation is gone, though it was created a while ago.
    #[error(
        "CloudFront does not find invalidation {invalidation_id} of distribution {distribution_id}: {source}. Was the distribution deleted? If not, start a new execution with the same input"
    )]
    InvalidationNotFound {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The function's role isn't authorized.
    #[error(
        "not authorized to get the status of invalidation {invalidation_id} of distribution {distribution_id}: {source}. The function's role covers the distributions of the DistributionIds parameter; check that no permissions boundary or service control policy denies it"
    )]
    AccessDenied {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// CloudFront rejects the request.
    #[error(
        "GetInvalidation was rejected for invalidation {invalidation_id} of distribution {distribution_id}: {source}. {}",
        source.remedy().unwrap_or("See the invalidation in the CloudFront console")
    )]
    CloudFrontRejected {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// CloudFront's response.
        source: AwsFailure,
    },
    /// The last status check, after the deadline, failed.
    #[error(
        "the status of invalidation {invalidation_id} of distribution {distribution_id} is not known: the last status check, at the deadline, failed: {reason}. See the invalidation in the CloudFront console; CloudFront processes it whether or not this execution runs"
    )]
    InvalidationStatusUnknown {
        /// The distribution.
        distribution_id: DistributionId,
        /// The invalidation.
        invalidation_id: String,
        /// What the last status check met.
        reason: String,
    },
}

impl Failure {
    /// The failure that CloudFront's error is.
    pub(crate) fn new(source: AwsFailure, created: &Created) -> Self {
        let distribution_id = created.distribution_id.clone();
        let invalidation_id = created.invalidation_id.clone();
        match source.code() {
            Some("NoSuchInvalidation" | "NoSuchDistribution") => Self::InvalidationNotFound {
                distribution_id,
                invalidation_id,
                source,
            },
            Some("AccessDenied") => Self::AccessDenied {
                distribution_id,
                invalidation_id,
                source,
            },
            _ => Self::CloudFrontRejected {
                distribution_id,
                invalidation_id,
                source,
            },
        }
    }

    pub(crate) fn unknown(reason: String, created: &Created) -> Self {
        Self::InvalidationStatusUnknown {
            distribution_id: created.distribution_id.clone(),
            invalidation_id: created.invalidation_id.clone(),
            reason,
        }
    }

    /// The row of an invalidation that met it.
    pub(crate) fn row(&self, created: Created) -> Invalidation {
        let name: &'static str = self.into();
        Invalidation::Failed(Failed {
            distribution_id: created.distribution_id.into(),
            invalidation_id: Some(created.invalidation_id),
            path_count: created.path_count,
            error: name.to_owned(),
            cause: shorten(&self.to_string(), MAX_MESSAGE_CHARACTERS),
        })
    }
}
