//! Why the status of an invalidation is not known.

use cloudfront::Kind;
use shared::{
    aws::AwsFailure,
    errors::{MAX_MESSAGE_CHARACTERS, shorten},
    invalidation::{Created, Failed, Invalidation, Target},
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

impl From<cloudfront::Failure> for Failure {
    fn from(failure: cloudfront::Failure) -> Self {
        match failure.kind {
            Kind::InvalidationNotFound | Kind::TargetNotFound => {
                Self::InvalidationNotFound(failure.source)
            }
            Kind::AccessDenied => Self::AccessDenied(failure.source),
            _ => Self::CloudFrontRejected(failure.source),
        }
    }
}

impl Failure {
    /// The row of an invalidation with this failure.
    pub(crate) fn row(&self, created: Created) -> Invalidation {
        let name: &'static str = self.into();
        let cause = shorten(&self.cause(&created), MAX_MESSAGE_CHARACTERS);
        let (distribution_id, distribution_tenant_id) = match created.target {
            Target::Distribution(id) => (Some(id.into()), None),
            Target::DistributionTenant(id) => (None, Some(id.into())),
        };
        Invalidation::Failed(Failed {
            error: name.to_owned(),
            cause,
            distribution_id,
            distribution_tenant_id,
            invalidation_id: Some(created.invalidation_id),
            path_count: created.path_count,
        })
    }

    fn cause(&self, created: &Created) -> String {
        let which = format!(
            "invalidation {} of {}",
            created.invalidation_id, created.target
        );
        match self {
            Self::InvalidationNotFound(failure) => format!(
                "CloudFront does not find {which}: {failure}. If the distribution still exists, start a new execution with the same input"
            ),
            Self::AccessDenied(failure) => format!(
                "the check-invalidation function isn't authorized to get the status of {which}: {failure}. Its role covers what is in the stack's DistributionIds and DistributionTenantIds parameters; check that no permissions boundary or service control policy denies access"
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
