//! Inputs of executions that are too long to write down.

use serde_json::{Value, json};

/// So many paths, each with so many characters and a number. `$LARGE_PATHS` are more than 248 KiB, which EventBridge takes:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
pub(crate) fn paths(count: usize, characters: usize) -> Value {
    (0..count)
        .map(|number| format!("/{}{number}", "x".repeat(characters)))
        .collect()
}

pub(crate) fn many_targets() -> Value {
    (0..50)
        .map(|number| match number % 2 {
            0 => json!({ "distributionId": format!("EMANY{number:09}"), "paths": ["/*"] }),
            _ => json!({ "distributionTenantId": format!("dt_many{number}"), "paths": ["/*"] }),
        })
        .collect()
}
