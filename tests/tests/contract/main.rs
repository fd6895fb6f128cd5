//! What the code, the state machine, the template and the documents promise each other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alarms;
mod docs;
mod documents;
mod files;
mod hostile_documents;
mod state_machine;
mod template;
mod timeouts;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

fn definition() -> Value {
    serde_json::from_str(&files::read("statemachine/invalidate.asl.json")).unwrap()
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
    files::yaml("sam/template.yaml")
}

/// The properties of a resource of the template.
fn properties(resource: &str) -> Value {
    template()["Resources"][resource]["Properties"].take()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

fn strings(array: &Value) -> Vec<&str> {
    let items = array.as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap()).collect()
}
