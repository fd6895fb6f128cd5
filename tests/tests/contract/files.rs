//! Files of the repository.

use serde_json::Value;
use serde_yaml_ng::Value as Yaml;
use tests::local_aws::repository;

pub fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// A YAML document as JSON. A tag becomes an object: `!Ref Paths` is `{"!Ref": "Paths"}`.
pub fn yaml(file: &str) -> Value {
    let yaml: Yaml = serde_yaml_ng::from_str(&read(file)).unwrap();
    serde_json::to_value(yaml).unwrap()
}
