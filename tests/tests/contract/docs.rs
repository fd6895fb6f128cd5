//! The documentation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use handlers::errors;
use strum::VariantNames;
use tests::{case::Case, catalogue::scenarios, command::repository, docs::check_generated, matrix};

use crate::{keys, of_the_definition, read, strings, template};

#[test]
fn every_error_of_an_invalidation_is_documented() {
    let page = read("docs/TROUBLESHOOTING.md");
    let functions = ["create-invalidation", "check-invalidation"].map(errors);
    let of_rows = check_invalidation::Failure::VARIANTS;
    let others = ["EdgeStale", "InvalidationTimedOut", "MultipleErrors"];
    for error in [&functions.concat(), of_rows, &others].concat() {
        assert!(page.contains(&format!("`{error}`")), "{error}");
    }
}

/// The columns of causes and log entries quote the texts of the code, with `…` for what varies.
#[test]
fn every_quoted_cause_is_in_the_code() {
    let mut code = read("statemachine/invalidate.asl.json");
    for function in fs::read_dir(repository().join("functions")).unwrap() {
        for source in fs::read_dir(function.unwrap().path().join("src")).unwrap() {
            code += &fs::read_to_string(source.unwrap().path()).unwrap_or_default();
        }
    }
    let page = read("docs/TROUBLESHOOTING.md");
    let tables = page.split("\n\n");
    let tables: Vec<_> = tables.filter(|part| part.contains(" contains |")).collect();
    assert!(!tables.is_empty());
    for table in tables {
        let mut rows = table.lines().map(|row| row.split(" | "));
        let mut header = rows.next().unwrap();
        let column = header.position(|cell| cell.trim_end_matches(" |").ends_with(" contains"));
        for mut row in rows.skip(1) {
            let cell = row.nth(column.unwrap()).unwrap().trim_start_matches("| ");
            for quoted in cell.split('…').map(str::trim) {
                assert!(code.contains(quoted), "{cell:?}: {quoted:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_state_diagram_is_documented() {
    let diagram = of_the_definition("diagram.py").await;
    let diagram = format!("```mermaid\n{diagram}\n```");
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

/// Each example is a scenario, so that it is tried.
#[test]
fn the_docs_say_what_to_write() {
    let rows = scenarios().into_iter().filter_map(|case| {
        let wanted = case.wanted?;
        let distributions = [("DistributionIds".to_owned(), case.stack.distributions)];
        let parameters = distributions.into_iter().chain(case.stack.parameters);
        let parameters: BTreeMap<_, _> = parameters.filter(|(_, v)| !v.is_empty()).collect();
        Some(format!(
            "\n--- # {wanted}\n{}",
            serde_yaml_ng::to_string(&parameters).unwrap()
        ))
    });
    let text = format!("```yaml{}```", rows.collect::<String>());
    check_generated("docs/CONFIGURATION.md", "what to write", &text).unwrap();
}

#[test]
fn the_cases_of_the_fault_matrix_are_counted() {
    let count = |cases: Vec<Case>| cases.iter().map(|case| case.engines.len()).sum::<usize>();
    let [cases, load, quick] = [matrix::all(), matrix::load(), matrix::quick()].map(count);
    let text = format!(
        "| without the load | load | total | run by `make test` |\n| --- | --- | --- | --- |\n| {cases} | {load} | {} | {quick} |",
        cases + load
    );
    check_generated("docs/faults.md", "cases", &text).unwrap();
}
