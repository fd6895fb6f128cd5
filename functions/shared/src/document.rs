//! Parses the JSON documents that functions are invoked with.

use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::Value;

use crate::errors::shorten;

/// The longest field path, and the longest problem, that an error shows, in characters.
const SHOWN_CHARACTERS: usize = 400;

/// A document that a function cannot parse.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// It is an array, a string, a number or null.
    #[error("{what} is not a JSON object")]
    NotAnObject {
        /// The document.
        what: &'static str,
    },
    /// A field is missing, has the wrong type or an invalid value.
    #[error("{what} is invalid at `{}`: {}", shorten(path, SHOWN_CHARACTERS), shorten(&source.to_string(), SHOWN_CHARACTERS))]
    Field {
        /// The document.
        what: &'static str,
        /// The field's path, for example `invalidations[0].paths`.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Parses a document; `what` names it in the error, for example `the hook event`.
///
/// # Errors
/// When it is invalid; the error names the first invalid field.
pub fn parse<T: DeserializeOwned>(
    what: &'static str,
    document: &Value,
) -> Result<T, InvalidDocument> {
    // serde would accept an array as a struct's fields in order.
    if !document.is_object() {
        return Err(InvalidDocument::NotAnObject { what });
    }
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        let source = match path.as_str() {
            // serde's own text would show the hook's id, if that is what is there.
            "hook" => de::Error::custom(
                "it must be an object with deploymentId and lifecycleEventHookExecutionId",
            ),
            _ => error.into_inner(),
        };
        InvalidDocument::Field { what, path, source }
    })
}

/// Deserializes a string.
///
/// # Errors
/// When it is not a string, or has nothing but white space.
pub fn non_empty_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(de::Error::custom("it must not be empty"));
    }
    Ok(text)
}

/// Deserializes a list.
///
/// # Errors
/// When it is not such a list, or has no items.
pub fn non_empty_list<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    for<'a> &'a T: IntoIterator,
{
    let list = T::deserialize(deserializer)?;
    if (&list).into_iter().next().is_none() {
        return Err(de::Error::custom("it must not be empty"));
    }
    Ok(list)
}
