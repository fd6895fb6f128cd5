//! Reads the files of `tests/cases`.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::case::Case;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// What an entry has if it doesn't say otherwise.
    pub defaults: Value,
    /// Of faults.
    #[serde(default)]
    pub kinds: Value,
    #[serde(alias = "calls")]
    cases: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// The entry is one for each of these, with their values in place of `$NAME`.
    for_each: Option<Vec<Map<String, Value>>>,
    #[serde(flatten)]
    fields: Value,
}

/// The scenarios of `make demo`.
pub fn scenarios() -> Vec<Case> {
    read(include_str!("../cases/scenarios.yaml"))
}

/// All entries in the text of such a file. A mistake in it is for whoever has just edited it.
pub fn read<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let Catalogue {
        defaults, cases, ..
    } = parse(text);
    let expanded = cases.into_iter().flat_map(|Entry { for_each, fields }| {
        let each = for_each.unwrap_or_else(|| vec![Map::new()]).into_iter();
        each.map(move |values| replaced(&fields, &values))
    });
    expanded
        .map(|fields| layered(fields, &[&defaults]))
        .collect()
}

pub fn parse(text: &str) -> Catalogue {
    serde_yaml_ng::from_str(text).expect("a list of cases or calls")
}

/// What has these fields, and those that it lacks from the first of the layers below that has them.
pub fn layered<T: DeserializeOwned>(mut fields: Value, below: &[&Value]) -> T {
    for layer in below {
        fill_in(&mut fields, layer);
    }
    let parsed = serde_path_to_error::deserialize(&fields);
    parsed.unwrap_or_else(|error| panic!("{}: {error}", fields["name"]))
}

/// These are filled in field by field.
const MERGED: [&str; 5] = ["stack", "parameters", "behavior", "expected", "errors"];

/// Fills in what an entry doesn't have.
fn fill_in(entry: &mut Value, defaults: &Value) {
    for (field, default) in defaults.as_object().into_iter().flatten() {
        match entry.get_mut(field) {
            None => entry[field] = default.clone(),
            Some(own) if MERGED.contains(&field.as_str()) => fill_in(own, default),
            Some(_) => {}
        }
    }
}

/// Replaces each `$NAME`: by the value as it is, or by its text where it is a part of a text. No name is the beginning of another.
fn replaced(fields: &Value, by: &Map<String, Value>) -> Value {
    let json = by.iter().fold(fields.to_string(), |json, (name, value)| {
        let own = value.to_string();
        // Without its quotes.
        let part = value.as_str().map_or(&*own, |_| &own[1..own.len() - 1]);
        let json = json.replace(&format!("\"${name}\""), &own);
        json.replace(&format!("${name}"), part)
    });
    serde_json::from_str(&json).expect("a part of a text is a text or a number")
}
