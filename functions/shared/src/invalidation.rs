//! CloudFront invalidations: what they are created in, what they invalidate, and their status.

use std::fmt;

use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

use crate::{errors::shorten, items::Items, timestamp};

/// The longest id that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 100;

/// The id of a CloudFront distribution, for example `E2QWRUHAPOMQZL`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DistributionId(String);

/// A string that is not a distribution id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a distribution id: it must be 8 to 32 capital letters and digits, such as E2QWRUHAPOMQZL"
)]
pub struct InvalidDistributionId(String);

impl TryFrom<String> for DistributionId {
    type Error = InvalidDistributionId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        let is_allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        if (8..=32).contains(&id.len()) && id.bytes().all(is_allowed) {
            Ok(Self(id))
        } else {
            Err(InvalidDistributionId(shorten(&id, SHOWN_CHARACTERS)))
        }
    }
}

/// The id of a distribution tenant, for example `dt_2wjDZi3hD1ivOXf6rpZJO1AB`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DistributionTenantId(String);

/// A string that is not the id of a distribution tenant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the id of a distribution tenant: it must be dt_ and up to 61 letters and digits, such as dt_2wjDZi3hD1ivOXf6rpZJO1AB"
)]
pub struct InvalidDistributionTenantId(String);

impl TryFrom<String> for DistributionTenantId {
    type Error = InvalidDistributionTenantId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        let is_valid = id.strip_prefix("dt_").is_some_and(|rest| {
            (1..=61).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if is_valid {
            Ok(Self(id))
        } else {
            Err(InvalidDistributionTenantId(shorten(&id, SHOWN_CHARACTERS)))
        }
    }
}

impl From<DistributionId> for String {
    fn from(id: DistributionId) -> Self {
        id.0
    }
}

impl From<DistributionTenantId> for String {
    fn from(id: DistributionTenantId) -> Self {
        id.0
    }
}

/// What an invalidation is created in. In documents it is one of two fields: `distributionId` or `distributionTenantId`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Ids", into = "Ids")]
pub enum Target {
    /// A distribution.
    Distribution(DistributionId),
    /// A tenant of a multi-tenant distribution.
    DistributionTenant(DistributionTenantId),
}

/// The fields of a document that name its target.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ids {
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution_id: Option<DistributionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution_tenant_id: Option<DistributionTenantId>,
}

/// A document that has both fields, or neither.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must have distributionId or distributionTenantId, and not both")]
pub struct NotOneTarget;

impl TryFrom<Ids> for Target {
    type Error = NotOneTarget;

    fn try_from(ids: Ids) -> Result<Self, Self::Error> {
        match (ids.distribution_id, ids.distribution_tenant_id) {
            (Some(id), None) => Ok(Self::Distribution(id)),
            (None, Some(id)) => Ok(Self::DistributionTenant(id)),
            _ => Err(NotOneTarget),
        }
    }
}

impl From<Target> for Ids {
    fn from(target: Target) -> Self {
        match target {
            Target::Distribution(id) => Self {
                distribution_id: Some(id),
                ..Self::default()
            },
            Target::DistributionTenant(id) => Self {
                distribution_tenant_id: Some(id),
                ..Self::default()
            },
        }
    }
}

impl Target {
    /// The id of the distribution, or of the distribution tenant.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Distribution(DistributionId(id))
            | Self::DistributionTenant(DistributionTenantId(id)) => id,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distribution(_) => write!(f, "distribution {}", self.id()),
            Self::DistributionTenant(_) => write!(f, "distribution tenant {}", self.id()),
        }
    }
}

/// What to invalidate in one target: an item of the execution's input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BatchDocument")]
pub struct InvalidationBatch {
    /// The distribution or distribution tenant.
    #[serde(flatten)]
    pub target: Target,
    /// The paths and cache tags.
    pub paths: Items,
}

/// Without `flatten`, so that an error names the field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BatchDocument {
    distribution_id: Option<DistributionId>,
    distribution_tenant_id: Option<DistributionTenantId>,
    paths: Items,
}

impl TryFrom<BatchDocument> for InvalidationBatch {
    type Error = NotOneTarget;

    fn try_from(document: BatchDocument) -> Result<Self, Self::Error> {
        let ids = Ids {
            distribution_id: document.distribution_id,
            distribution_tenant_id: document.distribution_tenant_id,
        };
        Ok(Self {
            target: ids.try_into()?,
            paths: document.paths,
        })
    }
}

/// The invalidation of one target, as a row in the input and output of the state machine's states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status")]
pub enum Invalidation {
    /// Edge locations may still serve the old objects. A status of CloudFront's that is not documented counts as this.
    InProgress(Created),
    /// CloudFront has said `Completed`.
    Completed(Created),
    /// CloudFront said at the deadline that it was still in progress.
    TimedOut(Created),
    /// It was not created, or its status is not known.
    Failed(Failed),
}

/// An invalidation that CloudFront has accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    /// What it was created in.
    #[serde(flatten)]
    pub target: Target,
    /// CloudFront's id for the invalidation.
    pub invalidation_id: String,
    /// How many paths and cache tags it invalidates: CloudFront bills each as one path.
    pub path_count: usize,
    /// When CloudFront accepted it.
    #[serde(with = "timestamp")]
    pub created_at: DateTime,
    /// Its age at the last status check, in seconds.
    pub elapsed_seconds: u64,
    /// Why the last status check did not return a documented status, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// A target for which no completed invalidation is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// The distribution's id, or what the execution input has in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_id: Option<String>,
    /// The distribution tenant's id, or what the execution input has in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_tenant_id: Option<String>,
    /// CloudFront's id for the invalidation; none if it was not created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidation_id: Option<String>,
    /// How many paths and cache tags were to be invalidated.
    pub path_count: usize,
    /// The error's name.
    pub error: String,
    /// What happened, to what, and what to do next.
    pub cause: String,
}
