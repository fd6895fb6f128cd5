//! Reading the JSON documents that functions are invoked with.

use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};
use serde_json::Value;

use crate::errors::shorten;

/// How much of a wrong field's path, and of what is wrong with it, an error shows, in characters.
const SHOWN_CHARACTERS: usize = 400;

/// A document that does not have the shape its reader needs.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    /// It is a list, a text, a number or nothing at all.
    #[error("{what} is not a JSON object")]
    NotAnObject {
        /// The document.
        what: &'static str,
    },
    /// A field is missing, of the wrong type or has a value that cannot be.
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

/// Reads a document; `what` names it in the error, for example `the hook event`.
///
/// # Errors
/// The first mistake in it.
pub fn parse<T: DeserializeOwned>(
    what: &'static str,
    document: &Value,
) -> Result<T, InvalidDocument> {
    // serde would take a list for a struct's fields in order.
    if !document.is_object() {
        return Err(InvalidDocument::NotAnObject { what });
    }
    serde_path_to_error::deserialize(document).map_err(|error| InvalidDocument::Field {
        what,
        path: error.path().to_string(),
        source: error.into_inner(),
    })
}

/// Deserialises a text that says something.
///
/// # Errors
/// When it is not a text, or has nothing but white space.
pub fn non_empty_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(de::Error::custom("it is empty"));
    }
    Ok(text)
}

/// Deserialises a list with at least one item.
///
/// # Errors
/// When it is not such a list, or has no item.
pub fn non_empty_list<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
    for<'a> &'a T: IntoIterator,
{
    let list = T::deserialize(deserializer)?;
    if (&list).into_iter().next().is_none() {
        return Err(de::Error::custom("it is empty"));
    }
    Ok(list)
}
