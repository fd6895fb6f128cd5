//! The function's settings: environment variables with the values of the stack's parameters.

use std::{env, fmt};

use http::HeaderName;

use crate::url::Url;

/// What to request.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    /// The URLs.
    pub urls: Vec<Url>,
    /// A header that every response must have.
    pub header: Option<HeaderName>,
}

/// All problems in the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidSettings(Vec<String>);

impl fmt::Display for InvalidSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Settings {
    /// Reads the settings from the environment.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn from_env() -> Result<Self, InvalidSettings> {
        Self::parse(|variable| env::var(variable).ok())
    }

    /// Parses the settings; `variable` returns the value of an environment variable.
    ///
    /// # Errors
    /// When any of them is invalid. The error names all problems, each with its variable.
    pub fn parse(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut problems = Vec::new();
        let mut urls = Vec::new();
        let texts = variable("VERIFY_URLS").unwrap_or_default();
        for (index, text) in texts.split(',').enumerate() {
            match Url::try_from(text) {
                Ok(url) => urls.push(url),
                Err(problem) => problems.push(format!("VERIFY_URLS[{index}] {problem}")),
            }
        }
        let name = variable("VERIFY_HEADER").filter(|name| !name.is_empty());
        let header = name.as_ref().and_then(|name| name.parse().ok());
        // It has secrets.
        let header = header.filter(|name: &HeaderName| name != http::header::SET_COOKIE);
        if let (Some(name), None) = (name, &header) {
            problems.push(format!(
                "VERIFY_HEADER: {name:?} is not the name of a header, or is set-cookie, which is not allowed"
            ));
        }
        if problems.is_empty() {
            Ok(Self { urls, header })
        } else {
            Err(InvalidSettings(problems))
        }
    }
}
