//! Reads the files of `tests/cases`.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::case::Case;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    defaults: Value,
    cases: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// The entry is a case for each of these, with their values in place of `$NAME`.
    #[serde(default = "once")]
    for_each: Vec<Map<String, Value>>,
    #[serde(flatten)]
    case: Value,
}

fn once() -> Vec<Map<String, Value>> {
    vec![Map::new()]
}

/// The scenarios of `make demo`.
pub fn scenarios() -> Vec<Case> {
    read(include_str!("../cases/scenarios.yaml"))
}

/// All cases in the text of such a file. A mistake in it is for whoever has just edited it.
pub fn read(text: &str) -> Vec<Case> {
    let Catalogue { defaults, cases } = serde_yaml_ng::from_str(text).expect("a list of cases");
    let expanded = cases.into_iter().flat_map(|Entry { for_each, case }| {
        for_each
            .into_iter()
            .map(move |values| replaced(&case, &values))
    });
    expanded.map(|case| parse(case, &defaults)).collect()
}

/// A case of the file that has nothing but a name and the file's defaults.
pub fn default_case(text: &str) -> Case {
    let Catalogue { defaults, .. } = serde_yaml_ng::from_str(text).expect("a list of cases");
    parse(serde_json::json!({ "name": "" }), &defaults)
}

fn parse(mut case: Value, defaults: &Value) -> Case {
    fill_in(&mut case, defaults);
    let parsed = serde_path_to_error::deserialize(&case);
    parsed.unwrap_or_else(|error| panic!("the case {}: {error}", case["name"]))
}

/// Fills in what a case doesn't have, also of its stack and of what is expected.
fn fill_in(case: &mut Value, defaults: &Value) {
    for (field, default) in defaults.as_object().into_iter().flatten() {
        match case.get_mut(field) {
            None => case[field] = default.clone(),
            Some(own) if ["stack", "expected"].contains(&field.as_str()) => fill_in(own, default),
            Some(_) => {}
        }
    }
}

fn replaced(value: &Value, by: &Map<String, Value>) -> Value {
    let name = |text: &str| text.strip_prefix('$').and_then(|name| by.get(name));
    match value {
        Value::String(text) => name(text).cloned().unwrap_or_else(|| {
            let text = by.iter().fold(text.clone(), |text, (name, value)| {
                let value = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                text.replace(&format!("${name}"), &value)
            });
            text.into()
        }),
        Value::Array(items) => items.iter().map(|item| replaced(item, by)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), replaced(value, by)))
            .collect(),
        other => other.clone(),
    }
}
