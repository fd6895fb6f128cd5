//! What the code, the state machine, the template and the events promise each other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handlers;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    process::{Command, Stdio},
};

use handlers::{FUNCTIONS, Handlers};
use regex::Regex;
use serde_json::Value;
use serde_yaml_ng::Value as Yaml;
use shared::{
    aws::{FUNCTION_TIMEOUT, OPERATION_TIMEOUT},
    failure_action::FailureAction,
    invalidation::{DistributionId, Path},
};
use strum::VariantNames;
use tests::local_aws::{repository, tool};

/// Only the safety nets make report-status look an execution up; the state machine never sees this.
const NOT_IN_THE_STATE_MACHINE: &[&str] = &["ExecutionUnreadable"];

fn read(file: &str) -> String {
    let file = repository().join(file);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn definition() -> Value {
    serde_json::from_str(&read("statemachine/invalidate.asl.json")).unwrap()
}

fn template() -> Yaml {
    serde_yaml_ng::from_str(&read("sam/template.yaml")).unwrap()
}

/// All states by name, those inside of Maps too, each with the Catch that its errors meet.
fn states() -> BTreeMap<String, (Value, Value)> {
    fn collect(machine: &Value, outer_catch: &Value, all: &mut BTreeMap<String, (Value, Value)>) {
        for (name, state) in machine["States"].as_object().unwrap() {
            let catch = match &state["Catch"] {
                Value::Null => outer_catch,
                own => own,
            };
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

fn error_lists(rules: &Value) -> Vec<Vec<&str>> {
    rules
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let names = rule["ErrorEquals"].as_array().unwrap();
            names.iter().map(|name| name.as_str().unwrap()).collect()
        })
        .collect()
}

fn number(value: &Yaml) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value:?} is not a number"))
}

#[test]
fn every_state_that_is_gone_to_exists_and_every_state_is_gone_to() {
    fn check(machine: &Value) {
        let states = machine["States"].as_object().unwrap();
        let mut targets = vec![machine["StartAt"].as_str().unwrap()];
        for state in states.values() {
            let rules = ["Catch", "Choices"].map(|field| state[field].as_array());
            let rules = rules.into_iter().flatten().flatten();
            let places = rules.map(|rule| &rule["Next"]);
            let places = places.chain([&state["Next"], &state["Default"]]);
            targets.extend(places.filter_map(Value::as_str));
            if state["Type"] == "Map" {
                check(&state["ItemProcessor"]);
            }
        }
        let targets: BTreeSet<_> = targets.into_iter().collect();
        let names: BTreeSet<_> = states.keys().map(String::as_str).collect();
        assert_eq!(targets, names);
    }
    check(&definition());
}

#[test]
fn retry_and_catch_of_every_task_know_exactly_the_errors_of_its_function() {
    let states = states();
    let mut tasks_left: BTreeSet<_> = states
        .iter()
        .filter(|(_, (state, _))| state["Type"] == "Task")
        .map(|(name, _)| name.as_str())
        .collect();
    for (function, tasks, errors) in FUNCTIONS {
        let errors: BTreeSet<_> = errors
            .iter()
            .copied()
            .filter(|name| !NOT_IN_THE_STATE_MACHINE.contains(name))
            .collect();
        for task in *tasks {
            assert!(tasks_left.remove(task), "{function}: {task} is no task");
            let (state, catch) = &states[*task];
            for (what, rules) in [("Retry", &state["Retry"]), ("Catch", catch)] {
                let lists = error_lists(rules);
                let (last, ours) = lists.split_last().unwrap();
                assert_eq!(last, &["States.ALL"], "the last {what} of {task}");
                let known: Vec<_> = ours.iter().flatten().copied().collect();
                let distinct: BTreeSet<_> = known.iter().copied().collect();
                assert_eq!(
                    known.len(),
                    distinct.len(),
                    "{what} of {task} repeats a name"
                );
                assert_eq!(
                    distinct, errors,
                    "{what} of {task} against {function}'s errors"
                );
            }
        }
    }
    assert_eq!(tasks_left, BTreeSet::new(), "tasks of no function");
}

#[test]
fn every_error_of_an_invalidation_is_documented() {
    let page = read("docs/failures.md");
    for (function, _, errors) in FUNCTIONS {
        if !["create-invalidation", "check-invalidation"].contains(function) {
            continue;
        }
        // The state machine retries until it becomes InvalidationNotCreated.
        for error in errors.iter().filter(|error| **error != "CloudFrontBusy") {
            assert!(page.contains(&format!("`{error}`")), "{function}: {error}");
        }
    }
    let in_rows = check_invalidation::Failure::VARIANTS.iter();
    for error in in_rows.chain(&["InvalidationTimedOut", "MultipleErrors"]) {
        assert!(page.contains(&format!("`{error}`")), "{error}");
    }
}

#[test]
fn every_placeholder_in_the_definition_has_a_substitution_that_is_used() {
    let placeholder = Regex::new(r"\$\{([A-Za-z]+)\}").unwrap();
    let text = read("statemachine/invalidate.asl.json");
    let used: BTreeSet<_> = placeholder
        .captures_iter(&text)
        .map(|found| found[1].to_owned())
        .collect();
    let machine = &template()["Resources"]["InvalidateStateMachine"]["Properties"];
    let given: BTreeSet<_> = machine["DefinitionSubstitutions"]
        .as_mapping()
        .unwrap()
        .keys()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(used, given);
}

#[test]
fn every_expression_in_the_definition_is_jsonata() {
    // The local AWS finds a broken expression only when an execution comes to it.
    let python = tool("ministack", "python");
    let output = Command::new(&python)
        .arg("-c")
        .arg(
            "import json, sys, jsonata
for expression in json.load(sys.stdin): jsonata.Jsonata(expression)",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut python| {
            let mut input = python.stdin.take().unwrap();
            input.write_all(
                serde_json::json!(expressions(&definition()))
                    .to_string()
                    .as_bytes(),
            )?;
            drop(input);
            python.wait_with_output()
        })
        .unwrap_or_else(|error| panic!("{}: {error}; `make tools` installs it", python.display()));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn expressions(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text
            .strip_prefix("{%")
            .and_then(|text| text.strip_suffix("%}"))
            .into_iter()
            .collect(),
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        Value::Object(fields) => fields.values().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_safety_net_is_for_every_end_but_success() {
    let rule = &template()["Resources"]["ExecutionEndedRule"]["Properties"];
    let statuses = &rule["EventPattern"]["detail"]["status"];
    let statuses: Vec<_> = statuses
        .as_sequence()
        .unwrap()
        .iter()
        .map(|s| s.as_str().unwrap())
        .collect();
    assert_eq!(statuses, ["FAILED", "TIMED_OUT", "ABORTED"]);
}

#[test]
fn only_the_hook_function_and_the_state_machine_have_fixed_names_and_both_can_be_given() {
    const NAMES: [&str; 6] = [
        "AlarmName",
        "FunctionName",
        "LogGroupName",
        "Name",
        "QueueName",
        "RoleName",
    ];
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let mut named = BTreeMap::new();
    for (resource, definition) in resources {
        let resource_type = definition["Type"].as_str().unwrap();
        // A reference to another resource's.
        if ["AWS::Lambda::EventSourceMapping", "AWS::Logs::MetricFilter"].contains(&resource_type) {
            continue;
        }
        for name in NAMES {
            if let Some(value) = definition["Properties"].get(name) {
                let value = serde_yaml_ng::to_string(value).unwrap();
                named.insert(resource.as_str().unwrap(), value);
            }
        }
    }
    let found: Vec<_> = named.keys().copied().collect();
    assert_eq!(
        found,
        [
            "HookFunction",
            "InvalidateStateMachine",
            "StateMachineLogGroup"
        ]
    );
    for (resource, name) in &named {
        assert!(name.contains("HasHookFunctionName"), "{resource}: {name}");
    }
    // Lambda's limit on a function's name is 64 characters.
    let longest = Regex::new(r"may then have (\d+) characters").unwrap();
    let description = template["Parameters"]["HookFunctionName"]["Description"].as_str();
    let longest: usize = longest.captures(description.unwrap()).unwrap()[1]
        .parse()
        .unwrap();
    assert_eq!(longest, 64 - "CodeDeployHook_".len());
}

#[test]
fn the_template_refuses_the_partitions_without_cloudfront_and_knows_the_two_with_it() {
    let template = template();
    let rule = serde_yaml_ng::to_string(&template["Rules"]["CloudFrontExists"]).unwrap();
    for part in ["Contains", "- aws\n", "- aws-cn\n", "AWS::Partition"] {
        assert!(rule.contains(part), "{part:?} is not in {rule}");
    }
    for function in ["CreateInvalidationFunction", "CheckInvalidationFunction"] {
        let policies = &template["Resources"][function]["Properties"]["Policies"];
        let policies = serde_yaml_ng::to_string(policies).unwrap();
        for partition in ["aws", "aws-cn"] {
            let arn = format!("arn:{partition}:cloudfront::*:distribution/");
            assert_eq!(policies.matches(&arn).count(), 2, "{policies}");
        }
    }
}

#[test]
fn a_log_of_executions_never_has_their_data_and_only_then_the_role_may_write_it() {
    let template = template();
    let machine = &template["Resources"]["InvalidateStateMachine"]["Properties"];
    let text = |value: &Yaml| serde_yaml_ng::to_string(value).unwrap();
    let logging = text(&machine["Logging"]);
    for part in ["- LogsExecutions\n", "IncludeExecutionData: false", "OFF"] {
        assert!(logging.contains(part), "{part:?} is not in {logging}");
    }
    let statements = machine["Policies"][0]["Statement"].as_sequence().unwrap();
    let logs: Vec<_> = statements
        .iter()
        .map(text)
        .filter(|statement| statement.contains("logs:"))
        .collect();
    assert_eq!(logs.len(), 1);
    assert!(
        logs[0].starts_with("!If\n- LogsExecutions\n"),
        "{}",
        logs[0]
    );
    assert_eq!(
        template["Resources"]["StateMachineLogGroup"]["Condition"].as_str(),
        Some("LogsExecutions")
    );
}

#[test]
fn folder_function_and_events_of_a_lambda_have_the_same_stem() {
    let template = template();
    let names = |folder: &str| -> BTreeSet<String> {
        fs::read_dir(repository().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let mut folders = names("functions");
    assert!(folders.remove("shared"));
    let expected: BTreeSet<_> = FUNCTIONS
        .iter()
        .map(|(stem, ..)| (*stem).to_owned())
        .collect();
    assert_eq!(folders, expected);
    for stem in &folders {
        let pascal: String = stem
            .split('-')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        let function = &template["Resources"][format!("{pascal}Function").as_str()];
        assert_eq!(
            function["Properties"]["CodeUri"].as_str(),
            Some(format!("../functions/{stem}").as_str())
        );
    }
    let stems: BTreeSet<_> = names("sam/events")
        .iter()
        .map(|file| file.split('.').next().unwrap().to_owned())
        .collect();
    assert_eq!(stems, expected);
}

#[test]
fn the_template_sets_exactly_the_variables_that_each_function_reads() {
    let read = std::cell::RefCell::new(BTreeSet::from([
        FailureAction::ON_INVALIDATION_FAILURE.to_owned(),
        hook::settings::PENDING_REPORTS_QUEUE_URL.to_owned(),
    ]));
    let _ = hook::settings::InvalidationSettings::parse(|variable| {
        read.borrow_mut().insert(variable.to_owned());
        None
    });
    let report = [
        FailureAction::ON_INVALIDATION_FAILURE,
        FailureAction::ON_INVALIDATION_TIMEOUT,
        "STATE_MACHINE_ARN",
    ];
    for (function, variables) in [
        ("HookFunction", read.into_inner()),
        ("CreateInvalidationFunction", BTreeSet::new()),
        ("CheckInvalidationFunction", BTreeSet::new()),
        ("ReportStatusFunction", report.map(str::to_owned).into()),
    ] {
        let properties = &template()["Resources"][function]["Properties"];
        let set: BTreeSet<_> = properties["Environment"]["Variables"]
            .as_mapping()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(set, variables, "{function}");
    }
}

#[test]
fn the_template_s_patterns_accept_what_the_code_accepts() {
    let template = template();
    let pattern = |parameter: &str| {
        let pattern = &template["Parameters"][parameter]["AllowedPattern"];
        Regex::new(pattern.as_str().unwrap()).unwrap()
    };
    let (ids, paths) = (pattern("DistributionIds"), pattern("Paths"));
    for id in [
        "E2QWRUHAPOMQZL",
        "EDFDVBD6EXAMPLE",
        "",
        "E2",
        "e2qwruhapomqzl",
        "E2QWRUHAPOM-ZL",
        "*",
        "arn:aws:cloudfront::111122223333:distribution/E2QWRUHAPOMQZL",
    ] {
        let possible = DistributionId::try_from(id.to_owned()).is_ok();
        assert_eq!(ids.is_match(id), possible, "{id:?}");
    }
    for path in [
        "/",
        "/*",
        "/index.html",
        "/images/*",
        "/a%20b",
        "/a?b=c&d=e",
        "/@scope/~x",
        "/a(1)!$'+;:=",
        "",
        "index.html",
        "*",
        "/a*b",
        "/**",
        "/a b",
        "/a%2",
        "/a%zz",
        "/ä",
        "/a\"b",
        "/[id]",
        "/{x}",
        "/a|b",
        "/a^b",
        "/a`b",
        "/a\\b",
        "/#tag",
        "/<x>",
    ] {
        let possible = Path::try_from(path.to_owned()).is_ok();
        assert_eq!(paths.is_match(path), possible, "{path:?}");
    }
    for byte in 0..=u8::MAX {
        for path in [format!("/a%{byte:02X}b"), format!("/a%{byte:02x}b")] {
            let possible = Path::try_from(path.clone()).is_ok();
            assert_eq!(paths.is_match(&path), possible, "{path:?}");
        }
    }
    // The list's own separator is the one exception: a pattern never sees it.
    assert!(Path::try_from("/a,b".to_owned()).is_ok());
}

#[test]
fn the_hour_is_enough_for_every_way_to_an_answer() {
    let (template, definition) = (template(), definition());
    let resources = &template["Resources"];
    let hour = 3600;
    let machine = definition["TimeoutSeconds"].as_u64().unwrap();
    let longest_wait = number(&template["Parameters"]["MaxWaitSeconds"]["MaxValue"]);
    let late_start = number(
        &resources["HookFunction"]["Properties"]["EventInvokeConfig"]["MaximumEventAgeInSeconds"],
    );
    let function = number(&template["Globals"]["Function"]["Timeout"]);
    assert_eq!(function, FUNCTION_TIMEOUT.as_secs());
    let hook = number(&resources["HookFunction"]["Properties"]["Timeout"]);
    assert_eq!(hook, hook::execution::HOOK_TIMEOUT.as_secs());
    assert!(
        longest_wait + 2 * 60 < machine,
        "no time to report before the machine's end"
    );
    assert!(
        late_start + hook + machine + 60 < hour,
        "a late start leaves the queue of pending reports no time"
    );
    for (name, (state, _)) in states() {
        if state["Type"] == "Task" {
            let task = state["TimeoutSeconds"].as_u64().unwrap();
            assert!(
                task > function,
                "{name} ends before its function's own timeout"
            );
        }
    }
}

/// Each call for as long as it may take.
#[test]
fn the_longest_sequence_of_calls_fits_into_the_time_of_a_function() {
    let report = OPERATION_TIMEOUT;
    let start = hook::execution::START_TIMEOUT;
    let send = OPERATION_TIMEOUT;
    let hook_sequence = start + report + send;
    // Create, list, and all that is listed together.
    let create = 3 * OPERATION_TIMEOUT;
    // Describe, report.
    let report_status = 2 * OPERATION_TIMEOUT;
    for (sequence, time) in [
        (hook_sequence, hook::execution::HOOK_TIMEOUT),
        (create, FUNCTION_TIMEOUT),
        (report_status, FUNCTION_TIMEOUT),
    ] {
        assert!(sequence < time, "{sequence:?}");
    }
    // For less than that a deployment must not go without its execution.
    assert!(start > std::time::Duration::from_secs(20), "{start:?}");
}

#[test]
fn the_queue_repeats_for_most_of_the_hour_and_never_while_the_function_runs() {
    let template = template();
    let resources = &template["Resources"];
    let queue = &resources["PendingReportsQueue"]["Properties"];
    let pause = number(&queue["VisibilityTimeout"]);
    let times = number(&queue["RedrivePolicy"]["maxReceiveCount"]);
    assert!(pause > number(&template["Globals"]["Function"]["Timeout"]));
    assert!((40 * 60..=60 * 60).contains(&(pause * times)));
    // More at once would not fit what report-status reads.
    let mapping = &resources["PendingReportsMapping"]["Properties"];
    assert_eq!(number(&mapping["BatchSize"]), 1);
}

#[tokio::test]
async fn every_event_is_one_that_its_function_reads() {
    let handlers = Handlers::start().await;
    for entry in fs::read_dir(repository().join("sam/events")).unwrap() {
        let file = entry.unwrap().path();
        let event: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        let function = name.split('.').next().unwrap();
        let failure = handlers.invoke(function, event).await.err();
        assert!(failure.is_none(), "{name}: {failure:?}");
    }
}

/// Executions that run while the stack is updated call the new functions with what the old definition sends, and read what it
/// reads.
#[tokio::test]
async fn the_definition_of_an_earlier_release_still_works_with_the_functions() {
    let handlers = Handlers::start().await;
    let mut tried = BTreeSet::new();
    for release in fs::read_dir(repository().join("tests/recorded")).unwrap() {
        let release = release.unwrap().path();
        if !release.is_dir() {
            continue;
        }
        let document = |file: &std::path::Path| -> Value {
            serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
        };
        let fields = document(&release.join("read-by-the-definition.json"));
        for file in fs::read_dir(&release).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap();
            let function = name.split('.').next().unwrap();
            let Some(fields) = fields[function].as_array() else {
                continue;
            };
            let mut input = document(&file);
            // The time for which it was recorded is over.
            if let Some(deadline) = input.get_mut("deadline") {
                *deadline = "2099-12-31T23:59:59.000Z".into();
            }
            let output = handlers.invoke(function, input).await;
            let output = output.unwrap_or_else(|failure| panic!("{file:?}: {failure:?}"));
            for field in fields {
                let field = field.as_str().unwrap();
                assert!(
                    output.get(field).is_some(),
                    "{file:?}: no {field} in {output}"
                );
            }
            tried.insert(function.to_owned());
        }
    }
    // The hook function's event is CodeDeploy's.
    let functions = FUNCTIONS
        .iter()
        .map(|(function, ..)| (*function).to_owned());
    let functions = functions.filter(|function| function != "hook").collect();
    assert_eq!(tried, functions);
}

#[test]
fn the_readme_shows_the_state_machine_as_it_is() {
    let diagram = tests::diagram::mermaid(&definition());
    let block = format!("```mermaid\n{diagram}\n```\n");
    assert!(
        read("README.md").contains(&block),
        "README.md must have this in place of its state diagram:\n\n{block}"
    );
}

/// The local AWS leaves it out of the roles that it makes.
#[test]
fn the_permissions_boundary_and_the_path_are_every_role_s() {
    let template = template();
    let resources = template["Resources"].as_mapping().unwrap();
    let globals = &template["Globals"]["Function"];
    let parameter = serde_yaml_ng::to_string(&globals["PermissionsBoundary"]).unwrap();
    assert!(parameter.contains("PermissionsBoundaryArn"));
    let path = serde_yaml_ng::to_string(&globals["RolePath"]).unwrap();
    assert_eq!(path.trim(), "!Ref RolePath");
    for (name, resource) in resources {
        let properties = &resource["Properties"];
        match resource["Type"].as_str().unwrap() {
            // SAM makes a role for each, with the boundary and the path from Globals.
            "AWS::Serverless::Function" => assert!(
                properties.get("Role").is_none() && properties.get("PermissionsBoundary").is_none()
            ),
            "AWS::Serverless::StateMachine" => {
                assert_eq!(
                    properties["PermissionsBoundary"],
                    globals["PermissionsBoundary"]
                );
                assert_eq!(properties["RolePath"], globals["RolePath"]);
            }
            other => assert_ne!(other, "AWS::IAM::Role", "{name:?}"),
        }
    }
}
