//! CloudFront invalidations: their distributions, and their status.

use std::fmt;

use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

use crate::{errors::shorten, timestamp};

/// The longest id that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 100;

/// The id of a CloudFront distribution, for example `E2QWRUHAPOMQZL`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DistributionId(String);

impl DistributionId {
    /// The id as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DistributionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A string that is not a distribution id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a distribution id: it must be 8 to 32 capital letters and digits, such as E2QWRUHAPOMQZL"
)]
pub struct InvalidDistributionId(String);

impl TryFrom<String> for DistributionId {
    type Error = InvalidDistributionId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        let possible = (8..=32).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if possible {
            Ok(Self(id))
        } else {
            Err(InvalidDistributionId(shorten(&id, SHOWN_CHARACTERS)))
        }
    }
}

impl From<DistributionId> for String {
    fn from(id: DistributionId) -> Self {
        id.0
    }
}

/// The invalidation of one distribution, as a row in the input and output of the state machine's states.
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
    /// The distribution.
    pub distribution_id: DistributionId,
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

/// A distribution for which no completed invalidation is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// The distribution id, or what the execution input has in its place.
    pub distribution_id: String,
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
