//! A path that CloudFront can invalidate.

use crate::errors::shorten;

/// The longest path CloudFront accepts, in characters (Developer Guide, "Specify the objects to invalidate").
const MAX_PATH_CHARACTERS: usize = 4_000;
/// The longest path that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 100;

/// A path CloudFront can invalidate, for example `/index.html` or `/images/*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

/// Why CloudFront cannot invalidate a path, or would accept it and invalidate nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It is relative, or empty.
    #[error("the path {0:?} does not start with / (a cache tag starts with #)")]
    NoLeadingSlash(String),
    /// It has a wildcard that is not the last character.
    #[error(
        "the path {0:?} has a * that is not its last character: CloudFront accepts * only as the last character"
    )]
    InnerWildcard(String),
    /// It is longer than CloudFront accepts.
    #[error(
        "the path that starts with {start:?} has {length} characters: CloudFront accepts at most 4,000"
    )]
    TooLong {
        /// Its first characters.
        start: String,
        /// How many characters it has.
        length: usize,
    },
    /// It has a character that must be percent-encoded: one that is not ASCII, or that RFC 1738 calls unsafe.
    #[error(
        "the path {path:?} has {character:?}, which must be percent-encoded (a space, for example, as %20)"
    )]
    Unencoded {
        /// The path.
        path: String,
        /// The first such character.
        character: char,
    },
    /// It has a `~`, which CloudFront rejects, or `%7E`, which CloudFront accepts without invalidating anything.
    #[error(
        "the path {path:?} has a ~, which CloudFront cannot invalidate, percent-encoded or not: use the wildcard {wildcard:?}"
    )]
    Tilde {
        /// The path.
        path: String,
        /// The wildcard that covers it.
        wildcard: String,
    },
    /// It has a percent-encoded character that must not be encoded. CloudFront accepts it without invalidating anything.
    #[error(
        "the path {path:?} has {encoding}, with which CloudFront would invalidate nothing: use {character:?} instead"
    )]
    Overencoded {
        /// The path.
        path: String,
        /// The encoding, for example `%41`.
        encoding: String,
        /// The character that it encodes.
        character: char,
    },
}

impl Path {
    /// What the paths that it matches start with, if it is a wildcard.
    #[must_use]
    pub fn wildcard_prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Whether the other path is a wildcard that matches this one, too.
    #[must_use]
    pub fn is_covered_by(&self, other: &Self) -> bool {
        self != other
            && other
                .wildcard_prefix()
                .is_some_and(|prefix| self.0.starts_with(prefix))
    }
}

impl TryFrom<String> for Path {
    type Error = InvalidPath;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        let shown = || shorten(&path, SHOWN_CHARACTERS);
        let length = path.chars().count();
        if length > MAX_PATH_CHARACTERS {
            let start = shown();
            return Err(InvalidPath::TooLong { start, length });
        }
        if !path.starts_with('/') {
            return Err(InvalidPath::NoLeadingSlash(shown()));
        }
        if path.trim_end_matches('*').contains('*') || path.ends_with("**") {
            return Err(InvalidPath::InnerWildcard(shown()));
        }
        for (at, character) in path.char_indices() {
            check_character(&path[at..], character).map_err(|problem| match problem {
                Problem::Unencoded => InvalidPath::Unencoded {
                    path: shown(),
                    character,
                },
                Problem::Tilde => InvalidPath::Tilde {
                    path: shown(),
                    wildcard: shorten(&path[..at], SHOWN_CHARACTERS) + "*",
                },
                Problem::Overencoded(encoding, character) => InvalidPath::Overencoded {
                    path: shown(),
                    encoding,
                    character,
                },
            })?;
        }
        Ok(Self(path))
    }
}

impl From<Path> for String {
    fn from(path: Path) -> Self {
        path.0
    }
}

enum Problem {
    Unencoded,
    Tilde,
    Overencoded(String, char),
}

/// Checks the first character of `rest`, the remaining part of a path.
///
/// AWS: percent-encode non-ASCII characters and the unsafe ones of RFC 1738, and nothing else (Developer Guide, "Specify the
/// objects to invalidate"). The reserved characters of RFC 3986 are accepted in both forms, because some origins distinguish
/// `+` from `%2B`; but `#[]` only encoded, and `*` never.
fn check_character(rest: &str, character: char) -> Result<(), Problem> {
    match character {
        '~' => Err(Problem::Tilde),
        '%' => {
            let digits = rest.get(1..3).filter(|two| !two.starts_with('+'));
            let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
            match byte.map(char::from) {
                None => Err(Problem::Unencoded),
                Some('~') => Err(Problem::Tilde),
                Some(c) if c.is_ascii_alphanumeric() || "-._*".contains(c) => {
                    Err(Problem::Overencoded(rest[..3].to_owned(), c))
                }
                Some(_) => Ok(()),
            }
        }
        c if c.is_ascii_alphanumeric() || "/-._!$&'()*+,;=:@?".contains(c) => Ok(()),
        _ => Err(Problem::Unencoded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Result<String, InvalidPath> {
        Path::try_from(path.to_owned()).map(String::from)
    }

    #[test]
    fn a_path_that_cloudfront_accepts_is_accepted() {
        for path in [
            "/",
            "/*",
            "/a/b.html",
            "/a?b=c&d",
            "/a%20b",
            "/images/*",
            "/a,b",
            "/c%2B%2b",
            "/a%2Cb%2fc",
            "/%C3%A4",
            "/%00%7f%5B%5D%60%7B%7D%25",
        ] {
            assert_eq!(parse(path), Ok(path.to_owned()));
        }
    }

    #[test]
    fn a_path_that_cloudfront_does_not_accept_is_rejected_with_the_reason() {
        for path in ["", "index.html", "*", "#tag"] {
            let reason = InvalidPath::NoLeadingSlash(path.to_owned());
            assert_eq!(parse(path), Err(reason));
        }
        for path in ["/a*b", "/**", "/*/"] {
            let reason = InvalidPath::InnerWildcard(path.to_owned());
            assert_eq!(parse(path), Err(reason));
        }
        for (path, character) in [
            ("/a b", ' '),
            ("/ä", 'ä'),
            ("/50%", '%'),
            ("/%zz", '%'),
            ("/%ä", '%'),
            ("/%+1", '%'),
            ("/%2ä", '%'),
        ] {
            let reason = InvalidPath::Unencoded {
                path: path.to_owned(),
                character,
            };
            assert_eq!(parse(path), Err(reason));
        }
    }

    #[test]
    fn a_path_that_would_invalidate_nothing_is_rejected_with_what_to_use_instead() {
        for path in ["/static/runtime~main.js", "/static/runtime%7Emain.js"] {
            let reason = parse(path).unwrap_err().to_string();
            assert!(reason.contains(r#""/static/runtime*""#), "{reason}");
        }
        for (path, encoding, character) in [
            ("/%41", "%41", 'A'),
            ("/a%2Db", "%2D", '-'),
            ("/a%2eb", "%2e", '.'),
            ("/%5F", "%5F", '_'),
            ("/images/%2A", "%2A", '*'),
        ] {
            let reason = InvalidPath::Overencoded {
                path: path.to_owned(),
                encoding: encoding.to_owned(),
                character,
            };
            assert_eq!(parse(path), Err(reason));
        }
    }

    #[test]
    fn a_path_may_have_4000_characters_and_not_one_more() {
        let longest = format!("/{}", "x".repeat(3_999));
        assert!(parse(&longest).is_ok());
        let error = parse(&(longest + "x")).unwrap_err();
        assert!(
            matches!(error, InvalidPath::TooLong { length: 4_001, .. }),
            "{error:?}"
        );
        assert!(error.to_string().len() < 300, "{error}");
    }
}
