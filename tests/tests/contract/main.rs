//! What the code, the state machine, the template and the documents promise each other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alarms;
mod docs;
mod documents;
mod hostile_documents;
mod state_machine;
mod template;
mod timeouts;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tests::command::{self, repository, tool};
use tokio::process::Command;

/// A file of the repository.
fn read(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// A YAML document as JSON. A tag becomes an object: `!Ref Paths` is `{"!Ref": "Paths"}`.
fn yaml(file: &str) -> Value {
    let yaml: serde_yaml_ng::Value = serde_yaml_ng::from_str(&read(file)).unwrap();
    serde_json::to_value(yaml).unwrap()
}

fn definition() -> Value {
    serde_json::from_str(&read("statemachine/invalidate.asl.json")).unwrap()
}

/// All states by name, those inside of Maps too, each with the Catch that applies to its errors.
fn states() -> BTreeMap<String, (Value, Value)> {
    fn collect(machine: &Value, outer_catch: &Value, all: &mut BTreeMap<String, (Value, Value)>) {
        for (name, state) in machine["States"].as_object().unwrap() {
            let catch = state.get("Catch").unwrap_or(outer_catch);
            if state["Type"] == "Map" {
                collect(&state["ItemProcessor"], catch, all);
            }
            let clash = all.insert(name.clone(), (state.clone(), catch.clone()));
            assert!(clash.is_none(), "two states are called {name}");
        }
    }
    let mut all = BTreeMap::new();
    collect(&definition(), &Value::Null, &mut all);
    all
}

fn template() -> Value {
    yaml("sam/template.yaml")
}

/// The properties of a resource of the template.
fn properties(resource: &str) -> Value {
    template()["Resources"][resource]["Properties"].take()
}

/// What a script of `tests/` prints about the definition of the state machine.
async fn of_the_definition(script: &str) -> String {
    let mut python = Command::new(tool("ministack", "python"));
    python.arg(repository().join("tests").join(script));
    python.arg(repository().join("statemachine/invalidate.asl.json"));
    command::text(&command::run(&mut python).await.unwrap().stdout)
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn strings(array: &Value) -> Vec<&str> {
    let items = array.as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap()).collect()
}
