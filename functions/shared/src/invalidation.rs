//! CloudFront invalidations: what may be asked for, and where one stands.

use std::fmt;

use aws_smithy_types::DateTime;
use serde::{Deserialize, Serialize};

use crate::timestamp;

/// The longest path CloudFront takes, in characters (Developer Guide, "Specify the objects to invalidate").
const MAX_PATH_CHARACTERS: usize = 4_000;

/// The id of a CloudFront distribution, for example `E2QWRUHAPOMQZL`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DistributionId(String);

impl DistributionId {
    /// The id as CloudFront writes it.
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

/// A text that cannot be a distribution's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a distribution id: those are capital letters and digits, like E2QWRUHAPOMQZL"
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
            Err(InvalidDistributionId(id))
        }
    }
}

impl From<DistributionId> for String {
    fn from(id: DistributionId) -> Self {
        id.0
    }
}

/// A path CloudFront can invalidate, for example `/index.html` or `/images/*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(String);

/// Why a text is not a path CloudFront can invalidate.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It is relative, or empty.
    #[error("the path {0:?} does not start with /")]
    NoLeadingSlash(String),
    /// CloudFront knows the wildcard only as the last character.
    #[error(
        "the path {0:?} has a * before its end: CloudFront takes it only as the last character"
    )]
    InnerWildcard(String),
    /// It is longer than CloudFront takes.
    #[error(
        "the path that starts with {start:?} has {length} characters: CloudFront takes at most 4,000"
    )]
    TooLong {
        /// Its first characters.
        start: String,
        /// How many characters it has.
        length: usize,
    },
    /// It has a character that CloudFront wants percent-encoded (RFC 1738's unsafe ones and all that are not ASCII).
    #[error(
        "the path {path:?} has {character:?}, which must be percent-encoded, like a space as %20"
    )]
    Unencoded {
        /// The path.
        path: String,
        /// The first such character.
        character: char,
    },
}

impl Path {
    /// Whether it stands for all objects whose path starts with it.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.0.ends_with('*')
    }
}

impl TryFrom<String> for Path {
    type Error = InvalidPath;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        let length = path.chars().count();
        if length > MAX_PATH_CHARACTERS {
            let start = path.chars().take(40).collect();
            return Err(InvalidPath::TooLong { start, length });
        }
        if !path.starts_with('/') {
            return Err(InvalidPath::NoLeadingSlash(path));
        }
        if path.trim_end_matches('*').contains('*') || path.ends_with("**") {
            return Err(InvalidPath::InnerWildcard(path));
        }
        if let Some(character) = first_unencoded(&path) {
            return Err(InvalidPath::Unencoded { path, character });
        }
        Ok(Self(path))
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.0
    }
}

fn first_unencoded(path: &str) -> Option<char> {
    path.char_indices().find_map(|(at, c)| {
        let allowed = match c {
            '%' => path
                .as_bytes()
                .get(at + 1..at + 3)
                .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)),
            _ => c.is_ascii_alphanumeric() || "/-._!$&'()*+,;=:@?".contains(c),
        };
        (!allowed).then_some(c)
    })
}

/// Where an invalidation stands, as CloudFront says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Some edge may still serve the old objects. Whatever CloudFront says that is not `Completed` counts as this.
    InProgress,
    /// Every edge has forgotten the paths.
    Completed,
}

impl Status {
    /// Reads CloudFront's word for it.
    #[must_use]
    pub fn from_cloudfront(status: &str) -> Self {
        match status {
            "Completed" => Self::Completed,
            "InProgress" => Self::InProgress,
            unknown => {
                tracing::warn!(
                    invalidation.status = unknown,
                    "CloudFront says {unknown:?}, which is not a documented status; treated as in progress"
                );
                Self::InProgress
            }
        }
    }
}

/// An invalidation CloudFront has accepted: a row of what the console shows while the edge is purged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invalidation {
    /// The distribution.
    pub distribution_id: DistributionId,
    /// CloudFront's id for the invalidation.
    pub invalidation_id: String,
    /// How many paths it purges.
    pub path_count: usize,
    /// When CloudFront accepted it.
    #[serde(with = "timestamp")]
    pub created_at: DateTime,
    /// Where it stood at the last look.
    pub status: Status,
    /// How long it had taken by then, in seconds.
    pub seconds: u64,
    /// Why the last look was in vain, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_cloudfront_takes() {
        for path in [
            "/",
            "/*",
            "/a/b.html",
            "/a?b=c&d",
            "/a%20b",
            "/images/*",
            "/a,b",
        ] {
            assert_eq!(
                Path::try_from(path.to_owned()).map(String::from),
                Ok(path.to_owned())
            );
        }
    }

    #[test]
    fn a_path_that_cloudfront_does_not_take_is_refused_with_the_reason() {
        let reason = |path: &str| Path::try_from(path.to_owned()).unwrap_err();
        for path in ["", "index.html", "*", "#tag"] {
            assert_eq!(reason(path), InvalidPath::NoLeadingSlash(path.to_owned()));
        }
        for path in ["/a*b", "/**", "/*/"] {
            assert_eq!(reason(path), InvalidPath::InnerWildcard(path.to_owned()));
        }
        for (path, character) in [
            ("/a b", ' '),
            ("/ä", 'ä'),
            ("/~x", '~'),
            ("/50%", '%'),
            ("/%zz", '%'),
            ("/%ä", '%'),
        ] {
            let path = path.to_owned();
            assert_eq!(reason(&path), InvalidPath::Unencoded { path, character });
        }
    }

    #[test]
    fn a_path_may_have_4000_characters_and_not_one_more() {
        let longest = format!("/{}", "x".repeat(3_999));
        assert!(Path::try_from(longest.clone()).is_ok());
        let error = Path::try_from(longest + "x").unwrap_err();
        assert!(
            matches!(error, InvalidPath::TooLong { length: 4_001, .. }),
            "{error:?}"
        );
    }

    #[test]
    fn only_completed_is_completed() {
        assert_eq!(Status::from_cloudfront("Completed"), Status::Completed);
        for status in ["InProgress", "completed", "Complete", "Cancelled", ""] {
            assert_eq!(
                Status::from_cloudfront(status),
                Status::InProgress,
                "{status:?}"
            );
        }
    }
}
