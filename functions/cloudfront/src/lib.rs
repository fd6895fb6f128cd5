//! CloudFront's operations on invalidations. CloudFront has each of them twice, for a distribution and for a distribution
//! tenant; here they are the same.

mod failure;

use aws_sdk_cloudfront::{
    Client,
    types::{Invalidation, InvalidationBatch, InvalidationSummary},
};
use shared::invalidation::Target;

pub use failure::{Failure, Kind};

/// Creates an invalidation, and returns what CloudFront has accepted.
///
/// # Errors
/// When CloudFront rejects the request or does not respond.
pub async fn create_invalidation(
    client: &Client,
    target: &Target,
    batch: InvalidationBatch,
) -> Result<Invalidation, Failure> {
    let accepted = match target {
        Target::Distribution(_) => {
            let call = client.create_invalidation().distribution_id(target.id());
            call.invalidation_batch(batch).send().await?.invalidation
        }
        Target::DistributionTenant(_) => {
            let call = client.create_invalidation_for_distribution_tenant();
            let call = call.id(target.id()).invalidation_batch(batch);
            call.send().await?.invalidation
        }
    };
    accepted.ok_or_else(|| Failure::unusable("CreateInvalidation's response has no Invalidation"))
}

/// Gets an invalidation.
///
/// # Errors
/// When CloudFront rejects the request or does not respond.
pub async fn get_invalidation(
    client: &Client,
    target: &Target,
    id: &str,
) -> Result<Invalidation, Failure> {
    let found = match target {
        Target::Distribution(_) => {
            let call = client.get_invalidation().distribution_id(target.id());
            call.id(id).send().await?.invalidation
        }
        Target::DistributionTenant(_) => {
            let call = client.get_invalidation_for_distribution_tenant();
            let call = call.distribution_tenant_id(target.id()).id(id);
            call.send().await?.invalidation
        }
    };
    found.ok_or_else(|| Failure::unusable("GetInvalidation's response has no Invalidation"))
}

/// Lists the newest invalidations, at most `count` (up to 100), the newest first.
///
/// # Errors
/// When CloudFront rejects the request or does not respond.
pub async fn list_invalidations(
    client: &Client,
    target: &Target,
    count: i32,
) -> Result<Vec<InvalidationSummary>, Failure> {
    let list = match target {
        Target::Distribution(_) => {
            let call = client.list_invalidations().distribution_id(target.id());
            call.max_items(count).send().await?.invalidation_list
        }
        Target::DistributionTenant(_) => {
            let call = client.list_invalidations_for_distribution_tenant();
            let call = call.id(target.id()).max_items(count);
            call.send().await?.invalidation_list
        }
    };
    Ok(list.and_then(|list| list.items).unwrap_or_default())
}

/// Whether the distribution, or the distribution of the tenant, has a cache tag header (`CacheTagConfig`).
///
/// # Errors
/// When CloudFront rejects a request or does not respond.
pub async fn has_cache_tag_header(client: &Client, target: &Target) -> Result<bool, Failure> {
    let distribution = match target {
        Target::Distribution(_) => target.id().to_owned(),
        Target::DistributionTenant(_) => {
            let call = client.get_distribution_tenant().identifier(target.id());
            let tenant = call.send().await?.distribution_tenant;
            tenant
                .and_then(|tenant| tenant.distribution_id)
                .ok_or_else(|| {
                    Failure::unusable("GetDistributionTenant's response has no DistributionId")
                })?
        }
    };
    let found = client.get_distribution_config().id(distribution).send();
    // An empty response counts as none, so that the state machine retries.
    let config = found.await?.distribution_config.ok_or_else(|| {
        Failure::unusable("GetDistributionConfig's response has no DistributionConfig")
    })?;
    let tags = config.cache_tag_config();
    Ok(tags.is_some_and(|tags| !tags.header_name().is_empty()))
}
