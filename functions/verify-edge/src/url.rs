//! The URLs that are requested.

use std::fmt;

use http::Uri;
use shared::{errors::shorten, items::Item};

/// The longest URL that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 100;
/// What a URL's path can have, and a path that CloudFront invalidates cannot, or not everywhere.
const NOT_IN_PATHS: [char; 3] = ['~', '%', '*'];

/// An https URL. Its `Display` output leaves out the query string, which may have a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(Uri);

/// A string that is not such a URL.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} must be https:// and a host, without a user name and without #")]
pub struct InvalidUrl(String);

impl TryFrom<&str> for Url {
    type Error = InvalidUrl;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let invalid = || {
            let without_query = text.split('?').next().unwrap_or_default();
            InvalidUrl(shorten(without_query, SHOWN_CHARACTERS))
        };
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let is_https = uri.scheme_str() == Some("https");
        let has_user = uri.authority().is_none_or(|a| a.as_str().contains('@'));
        if is_https && !has_user && !text.contains('#') {
            Ok(Self(uri))
        } else {
            Err(invalid())
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self
            .0
            .authority()
            .map_or("", |authority| authority.as_str());
        write!(f, "https://{host}{}", self.0.path())
    }
}

impl Url {
    /// The whole URL.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// The path to invalidate, with which CloudFront finds the URL's object whatever its query string is; none if CloudFront
    /// has no path for it.
    #[must_use]
    pub fn item(&self) -> Option<Item> {
        let path = self.0.path();
        let is_exact = self.0.query().is_none() && !path.contains(NOT_IN_PATHS);
        let path = if is_exact {
            path.to_owned()
        } else {
            let prefix = path.split(NOT_IN_PATHS).next().unwrap_or_default();
            format!("{prefix}*")
        };
        Item::try_from(path).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_and_shown_without_its_query_string() {
        for (text, shown) in [
            ("https://www.example.com", "https://www.example.com/"),
            (
                "https://www.example.com/a?token=1",
                "https://www.example.com/a",
            ),
            ("https://127.0.0.1:8443/", "https://127.0.0.1:8443/"),
        ] {
            assert_eq!(Url::try_from(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "/index.html",
            "www.example.com",
            "http://www.example.com/",
            "https://user@www.example.com/",
            "https://www.example.com/#top",
            "https://",
        ] {
            assert!(Url::try_from(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_path_to_invalidate_is_one_that_cloudfront_takes() {
        for (path, invalidated) in [
            ("", "/"),
            ("/index.html", "/index.html"),
            ("/index.html?v=1", "/index.html*"),
            ("/static/runtime~main.js", "/static/runtime*"),
            ("/%7Euser/", "/*"),
            ("/a%20b", "/a*"),
        ] {
            let url = format!("https://www.example.com{path}");
            let item = Url::try_from(&*url).unwrap().item().unwrap();
            assert_eq!(String::from(item), invalidated);
        }
    }
}
