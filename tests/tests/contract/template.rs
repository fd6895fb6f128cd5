//! The template: names, variables, patterns and permissions.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
};

use execution::settings::InvalidationSettings;
use fancy_regex::Regex;
use handlers::{FUNCTIONS, errors};
use heck::ToUpperCamelCase;
use serde_json::json;
use shared::{
    failure_action::{FailureAction, FailureActions},
    invalidation::{DistributionId, DistributionTenantId},
    items::CacheTag,
    path::Path,
};
use tests::command::repository;
use verify_edge::url::Url;

use crate::{keys, properties, template};

#[test]
fn the_execution_ended_rule_is_for_every_end_but_success() {
    let pattern = &properties("ExecutionEndedRule")["EventPattern"];
    let ends = json!(["FAILED", "TIMED_OUT", "ABORTED"]);
    assert_eq!(pattern["detail"]["status"], ends);
}

#[test]
fn only_the_hook_function_and_the_state_machine_have_fixed_names_and_both_can_be_set() {
    const NAMES: &str = "AlarmName FunctionName LogGroupName Name QueueName RoleName";
    // They name a resource that they are for.
    const REFER: [&str; 2] = ["AWS::Lambda::EventSourceMapping", "AWS::Logs::MetricFilter"];
    let template = template();
    let mut named = BTreeMap::new();
    for (resource, definition) in template["Resources"].as_object().unwrap() {
        let properties = &definition["Properties"];
        let fixed = NAMES.split(' ').filter_map(|name| properties.get(name));
        if !REFER.contains(&definition["Type"].as_str().unwrap()) {
            named.extend(fixed.map(|name| (resource.as_str(), name.to_string())));
        }
    }
    let machine = ["InvalidateStateMachine", "StateMachineLogGroup"];
    assert!(named.keys().eq(["HookFunction"].iter().chain(&machine)));
    for (resource, name) in &named {
        assert!(name.contains("HasHookFunctionName"), "{resource}: {name}");
    }
    // Lambda limits a function's name to 64 characters.
    let description = template["Parameters"]["HookFunctionName"]["Description"].as_str();
    let longest = 64 - "CodeDeployHook_".len();
    let limit = format!("the stack's name may then have at most {longest} characters");
    assert!(description.unwrap().contains(&limit), "{description:?}");
}

#[test]
fn folder_function_and_events_of_a_lambda_have_the_same_stem() {
    let stems = |folder: &str| -> BTreeSet<String> {
        let files = fs::read_dir(repository().join(folder)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let stem = |name: String| name.split('.').next().unwrap().to_owned();
        names.map(stem).collect()
    };
    let expected = BTreeSet::from(FUNCTIONS.map(|(stem, _)| stem.to_owned()));
    assert_eq!(stems("sam/events"), expected);
    let mut folders = stems("functions");
    for library in ["cloudfront", "execution", "shared"] {
        assert!(folders.remove(library));
    }
    assert_eq!(folders, expected);
    for stem in &folders {
        let function = properties(&format!("{}Function", stem.to_upper_camel_case()));
        assert_eq!(function["CodeUri"], format!("../functions/{stem}"));
    }
}

#[test]
fn the_template_sets_exactly_the_variables_that_each_function_reads() {
    let read = RefCell::new(BTreeSet::new());
    let variable = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        None
    };
    for (function, _) in FUNCTIONS {
        match function {
            "hook" => drop(hook::settings::Settings::parse(variable)),
            "ecs-hook" => drop(ecs_hook::settings::Settings::parse(variable)),
            "rollback" => drop(InvalidationSettings::parse(variable)),
            "verify-edge" => drop(verify_edge::settings::Settings::parse(variable)),
            "report-status" => {
                let _ = FailureActions::parse(variable);
                // Its main reads this one.
                variable("STATE_MACHINE_ARN");
            }
            _ => {}
        }
        let set = properties(&format!("{}Function", function.to_upper_camel_case()));
        let set = set.pointer("/Environment/Variables").map(keys);
        assert_eq!(set.unwrap_or_default(), read.take(), "{function}");
    }
}

#[test]
fn the_template_accepts_what_the_code_accepts() {
    const IDS: &str = "E2QWRUHAPOMQZL EDFDVBD6EXAMPLE E2 e2qwruhapomqzl E2QWRUHAPOM-ZL * \
        arn:aws:cloudfront::111122223333:distribution/E2QWRUHAPOMQZL";
    const TENANTS: &str = "dt_2wjDZi3hD1ivOXf6rpZJO1AB dt_1 dt_ DT_1 dt_a-b E2QWRUHAPOMQZL";
    const URLS: &str = "https://www.example.com https://www.example.com/a%20b/~c.html?d=e&f https://127.0.0.1:8443/ \
        http://www.example.com/ https://user@www.example.com/ https://www.example.com/#top https:///a www.example.com";
    const PATHS: &str = r#"/ /* /index.html /images/* /a%20b /a?b=c&d=e /@scope/~x /a(1)!$'+;:= index.html * /a*b /** /a%2
        /a%zz /ä /a"b /[id] /{x} /a|b /a^b /a`b /a\b /#tag /<x>"#;
    let every_byte = || (0..=u8::MAX).map(char::from);
    let encoded = (0..=u8::MAX).flat_map(|b| [format!("/a%{b:02X}b"), format!("/a%{b:02x}b")]);
    let paths = words(PATHS).chain(["/a b".to_owned()]).chain(encoded);
    let lengths = [1, 255, 256, 257].map(|length| "x".repeat(length));
    // One that starts with # is a valid tag, but in this list it would be a mistake.
    let starts = every_byte().filter(|start| *start != '#');
    let tags = every_byte().map(|character| format!("a{character}"));
    let tags = tags.chain(starts.map(String::from)).chain(lengths);
    // White space around an item is ignored.
    let tags = tags.filter(|tag| tag.trim() == tag);

    let ids = agreed("DistributionIds", is_a::<DistributionId>, words(IDS));
    let tenant_ids = is_a::<DistributionTenantId>;
    let tenant_ids = agreed("DistributionTenantIds", tenant_ids, words(TENANTS));
    agreed("VerifyUrls", |url| Url::try_from(url).is_ok(), words(URLS));
    let paths = agreed("Paths", is_a::<Path>, paths);
    let tags = agreed("CacheTags", is_a::<CacheTag>, tags);
    for (ids, one, other) in [
        (ids, "E2QWRUHAPOMQZL", "E1WEBSITE00001"),
        (tenant_ids, "dt_1", "dt_2"),
    ] {
        assert!(matches(&ids, &format!("{one},{other}")));
        // The permissions would be for an id with a space.
        assert!(!matches(&ids, &format!("{one}, {other}")));
    }
    // The comma is the one exception: it separates the list before the pattern is applied.
    assert!(is_a::<Path>("/a,b"));
    assert!(!matches(&paths, "/ok,index.html") && !matches(&paths, ",/a"));
    assert!(!matches(&tags, "blog,") && !matches(&tags, "#a"));
    // Empty lists.
    assert!(matches(&paths, "") && matches(&tags, ""));
    let names = ["CodeDeployHook_web", "", "invalidate-hook"].map(str::to_owned);
    let is_allowed = |name: &str| name.is_empty() || name.starts_with("CodeDeployHook_");
    agreed("HookFunctionName", is_allowed, names.into_iter());
    for parameter in ["OnInvalidationFailure", "OnInvalidationTimeout"] {
        let values = &template()["Parameters"][parameter]["AllowedValues"];
        let actions = [
            FailureAction::FailDeployment,
            FailureAction::ContinueDeployment,
        ];
        assert_eq!(*values, json!(actions.map(FailureAction::as_str)));
    }
}

/// The pattern of a parameter, which accepts the same of these texts as the code.
fn agreed(
    parameter: &str,
    accepts: fn(&str) -> bool,
    tried: impl Iterator<Item = String>,
) -> Regex {
    let pattern = &template()["Parameters"][parameter]["AllowedPattern"];
    let pattern = Regex::new(pattern.as_str().unwrap()).unwrap();
    for text in tried {
        let accepted = accepts(&text);
        assert_eq!(matches(&pattern, &text), accepted, "{parameter}: {text:?}");
    }
    pattern
}

/// Java goes one call deeper for each repetition of any other group.
#[test]
fn long_values_of_parameters_do_not_overflow_the_stack_of_cloudformation() {
    let class = Regex::new(r"\[[^]]*\]").unwrap();
    let repeated = Regex::new(r"\)([*+]|\{\d+,\})(?!\+)").unwrap();
    for (name, parameter) in template()["Parameters"].as_object().unwrap() {
        let pattern = parameter["AllowedPattern"].as_str().unwrap_or_default();
        let groups = class.replace_all(pattern, ".");
        assert!(!matches(&repeated, &groups), "{name}");
    }
}

fn matches(pattern: &Regex, text: &str) -> bool {
    pattern.is_match(text).unwrap()
}

fn is_a<T: TryFrom<String>>(text: &str) -> bool {
    T::try_from(text.to_owned()).is_ok()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace().map(str::to_owned)
}

#[test]
fn the_template_supports_two_partitions_and_knows_their_arns() {
    let rule = &template()["Rules"]["PartitionIsSupported"]["Assertions"][0];
    let partitions = json!([["aws", "aws-cn"], { "!Ref": "AWS::Partition" }]);
    assert_eq!(rule["Assert"], json!({ "!Contains": partitions }));
    for function in ["CreateInvalidationFunction", "CheckInvalidationFunction"] {
        let policies = properties(function)["Policies"].to_string();
        for partition in ["aws", "aws-cn"] {
            let arn = format!("arn:{partition}:cloudfront::*:distribution/");
            assert_eq!(policies.matches(&arn).count(), 2, "{policies}");
        }
    }
}

/// Not those that the next minute may cure, and not what `make verify` sends.
#[test]
fn the_alarm_counts_every_error_of_rollback_that_an_engineer_has_to_look_at() {
    let filter = properties("RollbackNotStartedFilter");
    let pattern = filter["FilterPattern"].as_str().unwrap();
    let counted: BTreeSet<_> = pattern.split('"').skip(1).step_by(2).collect();
    let mut errors: BTreeSet<_> = errors("rollback").iter().copied().collect();
    assert!(errors.remove("Unavailable") && errors.remove("InvalidInput"));
    assert_eq!(counted, errors);
}

#[test]
fn the_logs_of_executions_have_no_data() {
    let logging = &properties("InvalidateStateMachine")["Logging"]["!If"];
    assert_eq!(logging[1]["IncludeExecutionData"], false);
    assert_eq!(logging[2], json!({ "Level": "OFF" }));
}

/// The local AWS accepts any.
#[test]
fn no_queue_policy_is_about_several_queues() {
    for policy in ["QueuesPolicy", "RollbackQueuesPolicy"] {
        let document = &properties(policy)["PolicyDocument"];
        assert!(!document["Statement"][0]["Resource"].is_array(), "{policy}");
    }
}

/// The local AWS leaves both out of the roles that it creates.
#[test]
fn every_role_has_the_permissions_boundary_and_the_path() {
    let template = template();
    let globals = &template["Globals"]["Function"];
    let boundary = &globals["PermissionsBoundary"]["!If"];
    assert_eq!(boundary[1], json!({ "!Ref": "PermissionsBoundaryArn" }));
    assert_eq!(globals["RolePath"], json!({ "!Ref": "RolePath" }));
    for (name, resource) in template["Resources"].as_object().unwrap() {
        let (boundary, path) = (globals.get("PermissionsBoundary"), globals.get("RolePath"));
        let expected = match resource["Type"].as_str().unwrap() {
            // SAM creates a role for each, with the boundary and the path from Globals.
            "AWS::Serverless::Function" => [("Role", None), ("PermissionsBoundary", None)],
            "AWS::Serverless::StateMachine" => {
                [("RolePath", path), ("PermissionsBoundary", boundary)]
            }
            "AWS::IAM::Role" => [("Path", path), ("PermissionsBoundary", boundary)],
            _ => continue,
        };
        for (field, expected) in expected {
            assert_eq!(resource["Properties"].get(field), expected, "{name}");
        }
    }
}
