//! The state machine as a diagram, made from its definition.

use serde_json::Value;

/// A Mermaid state diagram: the states, and which state is the next of each, also after an error.
pub fn mermaid(definition: &Value) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    draw(definition, "    ", &mut lines);
    lines.join("\n")
}

fn draw(machine: &Value, indent: &str, lines: &mut Vec<String>) {
    let start = text(&machine["StartAt"]);
    lines.push(format!("{indent}[*] --> {start}"));
    // In the order in which an execution enters them.
    let mut met = vec![start];
    let mut at = 0;
    while let Some(&name) = met.get(at) {
        at += 1;
        let state = &machine["States"][name];
        for (next, label) in followers(state) {
            lines.push(format!("{indent}{name} --> {next}{label}"));
            if !met.contains(&next) {
                met.push(next);
            }
        }
        if state["End"] == true || ["Succeed", "Fail"].contains(&text(&state["Type"])) {
            lines.push(format!("{indent}{name} --> [*]"));
        }
        if state["ItemProcessor"].is_object() {
            lines.push(format!("{indent}state {name} {{"));
            draw(&state["ItemProcessor"], &format!("{indent}    "), lines);
            lines.push(format!("{indent}}}"));
        }
    }
}

/// The states that may be next, each with its condition.
fn followers(state: &Value) -> Vec<(&str, String)> {
    let rules = |name: &str| state[name].as_array().into_iter().flatten();
    let next = state["Next"].as_str().map(|next| (next, String::new()));
    let choices = rules("Choices").map(|choice| {
        // Such as {% $states.input.status = 'Completed' %} or {% $edge.invalidatedAgain %}
        let condition = text(&choice["Condition"]);
        let status = condition.split('\'').nth(1);
        let label = status.unwrap_or_else(|| condition.trim_matches(['{', '%', ' ', '$', '}']));
        let label = format!(": {label}");
        (text(&choice["Next"]), label)
    });
    let default = state["Default"].as_str();
    let default = default.map(|next| (next, ": otherwise".to_owned()));
    let catch = rules("Catch").map(|rule| (text(&rule["Next"]), ": error".to_owned()));
    let mut followers: Vec<_> = next.into_iter().chain(choices).chain(default).collect();
    followers.extend(catch);
    followers.dedup();
    followers
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
