//! Whether a distribution has cache tags. AWS does not document what CloudFront does with the tags of an invalidation if it has
//! none: perhaps it accepts them and invalidates nothing.

use aws_sdk_cloudfront::{Client, operation::get_distribution_config::GetDistributionConfigError};

use crate::{Error, LOOK_UP, Target, explain_other};

/// What to do if the function may not read the distribution's configuration.
const AUTHORIZE: &str = "To invalidate cache tags, it needs cloudfront:GetDistributionConfig, which it has only if the stack's CacheTags parameter is set and the distribution is in DistributionIds. Check also that no permissions boundary or service control policy denies access";

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
        match explain_other(&error, target, is_denied, is_missing, LOOK_UP) {
            Error::AccessDenied { target, source, .. } => Error::AccessDenied {
                target,
                source,
                advice: AUTHORIZE,
            },
            other => other,
        }
    })?;
    let config = found.distribution_config;
    if config.is_some_and(|config| config.cache_tag_config().is_some()) {
        Ok(())
    } else {
        Err(Error::CacheTagsNotConfigured {
            distribution_id: id.clone(),
        })
    }
}
