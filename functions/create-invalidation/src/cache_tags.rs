//! Whether a distribution has a cache tag header. AWS says that tags work only with it, but not whether CloudFront rejects them
//! otherwise, or accepts them and invalidates nothing.

use aws_sdk_cloudfront::{Client, operation::get_distribution_config::GetDistributionConfigError};
use shared::aws::AwsFailure;

use crate::{Advice, Error, Target, explain_common};

/// What to do if the function may not read the distribution's configuration.
const AUTHORIZE_CACHE_TAGS: &str = "To invalidate cache tags, it needs cloudfront:GetDistributionConfig, which it has only if the stack's CacheTags parameter is set and the distribution is in DistributionIds. Check also that no permissions boundary or service control policy denies access";

/// Checks that the distribution's configuration names a cache tag header.
///
/// # Errors
/// When it does not, or when CloudFront does not return it.
pub async fn check(client: &Client, target: &Target) -> Result<(), Error> {
    let id = &target.distribution_id;
    let response = client
        .get_distribution_config()
        .id(id.as_str())
        .send()
        .await;
    let found = response.map_err(|error| {
        let is_denied = GetDistributionConfigError::is_access_denied;
        let is_missing = GetDistributionConfigError::is_no_such_distribution;
        let advice = Advice {
            denied: AUTHORIZE_CACHE_TAGS,
            ..Advice::default()
        };
        explain_common(&error, target, is_denied, is_missing, &advice)
    })?;
    // An empty response counts as none, so that the state machine retries.
    let config = found
        .distribution_config
        .ok_or_else(|| Error::CloudFrontUnavailable {
            target: target.clone(),
            source: AwsFailure::unusable(
                "GetDistributionConfig's response has no DistributionConfig",
            ),
        })?;
    match config.cache_tag_config() {
        Some(tags) if !tags.header_name().is_empty() => Ok(()),
        _ => Err(Error::CacheTagsNotConfigured {
            distribution_id: id.clone(),
        }),
    }
}
