//! Why the status of an invalidation is not known.

use aws_sdk_cloudfront::{error::SdkError, operation::get_invalidation::GetInvalidationError};
use shared::{
    aws::AwsFailure,
    errors::{MAX_MESSAGE_CHARACTERS, shorten},
    invalidation::{Created, Failed, Invalidation},
};

/// Why the status of an invalidation is not known. The names of the variants are the error names in the rows, and of the
/// execution.
#[derive(Debug, strum::IntoStaticStr, strum::VariantNames)]
pub enum Failure {
    /// CloudFront does not find the invalidation, although it was created a minute ago or earlier, or its distribution.
    InvalidationNotFound(AwsFailure),
    /// The function's role isn't authorized.
    AccessDenied(AwsFailure),
    /// CloudFront rejected the request.
    CloudFrontRejected(AwsFailure),
    /// The last status check, at the deadline, failed for this reason.
    InvalidationStatusUnknown(String),
}

impl Failure {
    pub(crate) fn new(error: &SdkError<GetInvalidationError>) -> Self {
        let failure = AwsFailure::from(error);
        match error.as_service_error() {
            Some(error) if error.is_no_such_invalidation() || error.is_no_such_distribution() => {
                Self::InvalidationNotFound(failure)
            }
            Some(error) if error.is_access_denied() => Self::AccessDenied(failure),
            _ => Self::CloudFrontRejected(failure),
        }
    }

    /// The row of an invalidation with this failure.
    pub(crate) fn row(&self, created: Created) -> Invalidation {
        let name: &'static str = self.into();
        Invalidation::Failed(Failed {
            error: name.to_owned(),
            cause: shorten(&self.cause(&created), MAX_MESSAGE_CHARACTERS),
            distribution_id: created.distribution_id.into(),
            invalidation_id: Some(created.invalidation_id),
            path_count: created.path_count,
        })
    }

    fn cause(&self, created: &Created) -> String {
        let which = format!(
            "invalidation {} of distribution {}",
            created.invalidation_id, created.distribution_id
        );
        match self {
            Self::InvalidationNotFound(failure) => format!(
                "CloudFront does not find {which}: {failure}. If the distribution was not deleted, start a new execution with the same input"
            ),
            Self::AccessDenied(failure) => format!(
                "the check-invalidation function isn't authorized to get the status of {which}: {failure}. Its role covers the distributions in the stack's DistributionIds parameter; check that no permissions boundary or service control policy denies access"
            ),
            Self::CloudFrontRejected(failure) => format!(
                "CloudFront rejected GetInvalidation for {which}: {failure}. {}",
                failure
                    .remedy()
                    .unwrap_or("See the invalidation in the CloudFront console")
            ),
            Self::InvalidationStatusUnknown(reason) => format!(
                "the status of {which} is not known: the last status check, at the deadline, failed: {reason}. See the invalidation in the CloudFront console; CloudFront processes it whether or not this execution runs"
            ),
        }
    }
}
