//! Files of the repository.

use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;
use tests::local_aws::repository;

pub fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// A YAML document as JSON. A tag becomes an object: `!Ref Paths` is `{"!Ref": "Paths"}`.
pub fn yaml(file: &str) -> Value {
    to_json(serde_yaml_ng::from_str(&read(file)).unwrap())
}

fn to_json(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => json!({ tagged.tag.to_string(): to_json(tagged.value) }),
        Yaml::Sequence(items) => items.into_iter().map(to_json).collect(),
        Yaml::Mapping(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, value)| (name.as_str().unwrap().to_owned(), value));
            fields.map(|(name, value)| (name, to_json(value))).collect()
        }
        scalar => serde_json::to_value(scalar).unwrap(),
    }
}
