//! The URLs that are requested.

use std::fmt;

use http::Uri;
use shared::items::Item;

/// An https URL. Its `Display` output leaves out the query string, which may have a secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(Uri);

/// A string that is not such a URL.
/// Its text is not in the error, because it may have a secret in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be https:// and a host, without a user name and without #")]
pub struct InvalidUrl;

impl TryFrom<&str> for Url {
    type Error = InvalidUrl;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        let uri: Uri = text.parse().map_err(|_| InvalidUrl)?;
        let is_https = uri.scheme_str() == Some("https");
        let has_user = uri.authority().is_none_or(|a| a.as_str().contains('@'));
        if is_https && !has_user && !text.contains('#') {
            Ok(Self(uri))
        } else {
            Err(InvalidUrl)
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

    /// What to invalidate for CloudFront to fetch the URL's object again; nothing if that would be everything.
    #[must_use]
    pub fn items(&self) -> Vec<Item> {
        let path = self.0.path();
        let mut paths = vec![path.to_owned()];
        if path.ends_with('/') {
            // What CloudFront caches may be the default root object, or what a function makes of the path.
            paths.push(format!("{path}index.html"));
        }
        if self.0.query().is_some() {
            let with_query: Vec<_> = paths.iter().map(|path| format!("{path}?*")).collect();
            paths.extend(with_query);
        }
        let items: Vec<_> = paths
            .into_iter()
            // It would be everything.
            .filter(|path| path != "/*")
            .filter_map(|p| Item::try_from(p).ok())
            .collect();
        if !items.is_empty() {
            return items;
        }
        // CloudFront accepts no ~, no unnecessary encoding, and * only at the end.
        let prefix = path.split(['~', '%', '*']).next().unwrap_or_default();
        let wildcard = (prefix.len() > 1).then(|| format!("{prefix}*"));
        wildcard
            .and_then(|path| Item::try_from(path).ok())
            .into_iter()
            .collect()
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
    fn what_is_invalidated_is_what_cloudfront_takes_and_never_everything() {
        for (path, invalidated) in [
            ("", "/ /index.html"),
            ("/index.html", "/index.html"),
            ("/index.html?v=1", "/index.html /index.html?*"),
            ("/news/", "/news/ /news/index.html"),
            (
                "/news/?v=1",
                "/news/ /news/index.html /news/?* /news/index.html?*",
            ),
            ("/static/runtime~main.js", "/static/runtime*"),
            ("/%7Euser/", ""),
            ("/*", ""),
            ("/*?v=1", ""),
            ("/news/*/1?v=1", "/news/*"),
            ("/a%20b", "/a%20b"),
        ] {
            let url = format!("https://www.example.com{path}");
            let items = Url::try_from(&*url).unwrap().items();
            let items: Vec<_> = items.into_iter().map(String::from).collect();
            assert_eq!(items.join(" "), invalidated);
        }
    }
}
