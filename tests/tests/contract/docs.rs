//! The documentation.

use std::collections::BTreeSet;

use strum::VariantNames;
use tests::{diagram, docs::check_generated};

use crate::{definition, files::read, handlers::errors, keys, strings, template};

#[test]
fn every_error_of_an_invalidation_is_documented() {
    let page = read("docs/TROUBLESHOOTING.md");
    let functions = ["create-invalidation", "check-invalidation"].map(errors);
    let errors = [&functions.concat(), check_invalidation::Failure::VARIANTS].concat();
    let errors = errors
        .into_iter()
        .chain(["InvalidationTimedOut", "MultipleErrors"]);
    // The state machine retries until it is InvalidationNotCreated.
    for error in errors.filter(|error| *error != "CloudFrontBusy") {
        assert!(page.contains(&format!("`{error}`")), "{error}");
    }
}

#[test]
fn the_state_diagram_is_documented() {
    let diagram = format!("```mermaid\n{}\n```", diagram::mermaid(&definition()));
    check_generated("docs/ARCHITECTURE.md", "state diagram", &diagram).unwrap();
}

/// In the order in which the console shows them.
#[test]
fn every_parameter_is_documented() {
    let template = template();
    let parameters = &template["Parameters"];
    let groups = &template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"];
    let groups = groups.as_array().unwrap().iter();
    let names: Vec<_> = groups
        .flat_map(|group| strings(&group["Parameters"]))
        .collect();
    let mut table = "| parameter | default | description |\n| --- | --- | --- |\n".to_owned();
    for name in &names {
        let default = parameters[name]["Default"].to_string();
        let default = match default.trim_matches('"') {
            "" | "null" => String::new(),
            value => format!("`{value}`"),
        };
        let description = parameters[name]["Description"].as_str().unwrap();
        let description = description.trim().replace('|', r"\|").replace('*', r"\*");
        let description = description.replace('<', "&lt;");
        table += &["| `", name, "` | ", &default, " | ", &description, " |\n"].concat();
    }
    let grouped: BTreeSet<_> = names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!((grouped.len(), &grouped), (names.len(), &keys(parameters)));
    check_generated("docs/CONFIGURATION.md", "parameters", &table).unwrap();
}
