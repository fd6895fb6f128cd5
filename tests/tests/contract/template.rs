//! The template: names, variables, patterns and permissions.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
};

use execution::settings::{InvalidationSettings, VERIFIES_EDGE};
use regex::Regex;
use serde_json::json;
use shared::{
    failure_action::FailureAction,
    invalidation::{DistributionId, DistributionTenantId},
    items::CacheTag,
    path::Path,
};
use tests::local_aws::repository;
use verify_edge::url::Url;

use crate::{
    handlers::{FUNCTIONS, errors},
    keys, template,
};

#[test]
fn the_execution_ended_rule_is_for_every_end_but_success() {
    let rule = &template()["Resources"]["ExecutionEndedRule"]["Properties"];
    let statuses = &rule["EventPattern"]["detail"]["status"];
    assert_eq!(*statuses, json!(["FAILED", "TIMED_OUT", "ABORTED"]));
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
    let template = template();
    for stem in &folders {
        let capitalized = |word: &str| word[..1].to_uppercase() + &word[1..];
        let pascal: String = stem.split('-').map(capitalized).collect();
        let function = &template["Resources"][format!("{pascal}Function")];
        let folder = format!("../functions/{stem}");
        assert_eq!(function["Properties"]["CodeUri"], folder);
    }
}

#[test]
fn the_template_sets_exactly_the_variables_that_each_function_reads() {
    let read = RefCell::new(BTreeSet::new());
    let _ = InvalidationSettings::parse(|variable| {
        read.borrow_mut().insert(variable.to_owned());
        None
    });
    let invalidation = read.into_inner();
    let and = |variables: &[&str]| {
        let variables = variables.iter().map(|variable| (*variable).to_owned());
        invalidation.iter().cloned().chain(variables).collect()
    };
    let failure = FailureAction::ON_INVALIDATION_FAILURE;
    let timeout = FailureAction::ON_INVALIDATION_TIMEOUT;
    let pending = hook::settings::PENDING_REPORTS_QUEUE_URL;
    let rollbacks = ecs_hook::settings::ROLLBACKS_QUEUE_URL;
    let report = [failure, timeout, "STATE_MACHINE_ARN"];
    let verifies = VERIFIES_EDGE;
    let edge = ["VERIFY_URLS", "VERIFY_HEADER"];
    for (function, variables) in [
        ("HookFunction", and(&[verifies, failure, pending])),
        (
            "EcsHookFunction",
            and(&[verifies, failure, timeout, rollbacks]),
        ),
        ("RollbackFunction", and(&[])),
        ("CreateInvalidationFunction", BTreeSet::new()),
        ("CheckInvalidationFunction", BTreeSet::new()),
        ("VerifyEdgeFunction", edge.map(str::to_owned).into()),
        ("ReportStatusFunction", report.map(str::to_owned).into()),
    ] {
        let properties = &template()["Resources"][function]["Properties"];
        let set = properties.pointer("/Environment/Variables").map(keys);
        assert_eq!(set.unwrap_or_default(), variables, "{function}");
    }
}

#[test]
fn the_patterns_of_the_template_accept_what_the_code_accepts() {
    let template = template();
    let pattern = |parameter: &str| {
        let pattern = template["Parameters"][parameter]["AllowedPattern"].as_str();
        Regex::new(pattern.unwrap()).unwrap()
    };
    let (urls, ids, tenant_ids, paths, tags) = (
        pattern("VerifyUrls"),
        pattern("DistributionIds"),
        pattern("DistributionTenantIds"),
        pattern("Paths"),
        pattern("CacheTags"),
    );
    let tried = "E2QWRUHAPOMQZL EDFDVBD6EXAMPLE E2 e2qwruhapomqzl E2QWRUHAPOM-ZL * \
        arn:aws:cloudfront::111122223333:distribution/E2QWRUHAPOMQZL";
    for id in tried.split(' ') {
        let accepted = DistributionId::try_from(id.to_owned()).is_ok();
        assert_eq!(ids.is_match(id), accepted, "{id:?}");
    }
    for text in [
        "https://www.example.com",
        "https://www.example.com/a%20b/~c.html?d=e&f",
        "https://127.0.0.1:8443/",
        "http://www.example.com/",
        "https://user@www.example.com/",
        "https://www.example.com/#top",
        "https:///a",
        "www.example.com",
    ] {
        let accepted = Url::try_from(text).is_ok();
        assert_eq!(urls.is_match(text), accepted, "{text:?}");
    }
    for id in [
        "dt_2wjDZi3hD1ivOXf6rpZJO1AB",
        "dt_1",
        "dt_",
        "DT_1",
        "dt_a-b",
        "E2QWRUHAPOMQZL",
    ] {
        let accepted = DistributionTenantId::try_from(id.to_owned()).is_ok();
        assert_eq!(tenant_ids.is_match(id), accepted, "{id:?}");
    }
    for (ids, one, other) in [
        (ids, "E2QWRUHAPOMQZL", "E1WEBSITE00001"),
        (tenant_ids, "dt_1", "dt_2"),
    ] {
        assert!(ids.is_match(&format!("{one},{other}")));
        // The permissions would be for an id with a space.
        assert!(!ids.is_match(&format!("{one}, {other}")));
    }
    let tried = r#"/ /* /index.html /images/* /a%20b /a?b=c&d=e /@scope/~x /a(1)!$'+;:= index.html * /a*b /** /a%2 /a%zz
        /ä /a"b /[id] /{x} /a|b /a^b /a`b /a\b /#tag /<x>"#;
    let tried = tried.split_whitespace().chain(["/a b"]);
    let bytes = 0..=u8::MAX;
    let encoded = bytes.flat_map(|byte| [format!("/a%{byte:02X}b"), format!("/a%{byte:02x}b")]);
    for path in tried.map(str::to_owned).chain(encoded) {
        let accepted = Path::try_from(path.clone()).is_ok();
        assert_eq!(paths.is_match(&path), accepted, "{path:?}");
    }
    let lengths = [1, 255, 256, 257].map(|length| "x".repeat(length));
    let characters = (0..=u8::MAX).map(|byte| format!("a{}", char::from(byte)));
    // White space around an item is ignored.
    let characters = characters.filter(|tag| tag.trim() == tag);
    // One that starts with # is a valid tag, but in this list it would be a mistake.
    let starts = (0..=u8::MAX).map(|byte| char::from(byte).to_string());
    let starts = starts.filter(|tag| tag.trim() == tag && !["#", ""].contains(&&**tag));
    for tag in characters.chain(starts).chain(lengths) {
        let accepted = CacheTag::try_from(tag.clone()).is_ok();
        assert_eq!(tags.is_match(&tag), accepted, "{tag:?}");
    }
    // The comma is the one exception: it separates the list before the pattern is applied.
    assert!(Path::try_from("/a,b".to_owned()).is_ok());
    assert!(!tags.is_match("#a"));
    // Empty lists.
    assert!(paths.is_match("") && tags.is_match(""));
}

#[test]
fn the_template_is_only_for_the_two_partitions_with_cloudfront_and_knows_their_arns() {
    let template = template();
    let rule = &template["Rules"]["CloudFrontExists"]["Assertions"][0]["Assert"];
    let partitions = json!([["aws", "aws-cn"], { "!Ref": "AWS::Partition" }]);
    assert_eq!(*rule, json!({ "!Contains": partitions }));
    for function in ["CreateInvalidationFunction", "CheckInvalidationFunction"] {
        let policies = template["Resources"][function]["Properties"]["Policies"].to_string();
        for partition in ["aws", "aws-cn"] {
            let arn = format!("arn:{partition}:cloudfront::*:distribution/");
            assert_eq!(policies.matches(&arn).count(), 2, "{policies}");
        }
    }
}

/// Not those that the next minute may cure, and not what `make verify` sends.
#[test]
fn the_alarm_counts_every_error_of_rollback_that_an_engineer_has_to_look_at() {
    let filter = &template()["Resources"]["RollbackNotStartedFilter"]["Properties"];
    let pattern = filter["FilterPattern"].as_str().unwrap();
    let counted: BTreeSet<_> = pattern.split('"').skip(1).step_by(2).collect();
    let mut errors: BTreeSet<_> = errors("rollback").iter().copied().collect();
    assert!(errors.remove("Unavailable") && errors.remove("InvalidInput"));
    assert_eq!(counted, errors);
}

#[test]
fn execution_logs_never_have_data_and_the_role_may_write_them_only_where_they_are_on() {
    let template = template();
    let machine = &template["Resources"]["InvalidateStateMachine"]["Properties"];
    let logging = &machine["Logging"]["!If"];
    assert_eq!(logging[0], "LogsExecutions");
    assert_eq!(logging[1]["IncludeExecutionData"], false);
    assert_eq!(logging[2], json!({ "Level": "OFF" }));
    let mut allowing = 0;
    let statements = machine["Policies"][0]["Statement"].as_array().unwrap();
    for statement in statements
        .iter()
        .filter(|s| s.to_string().contains("logs:"))
    {
        assert_eq!(statement["!If"][0], "LogsExecutions");
        assert_eq!(statement["!If"][2], json!({ "!Ref": "AWS::NoValue" }));
        allowing += 1;
    }
    assert_eq!(allowing, 1);
    let log_group = &template["Resources"]["StateMachineLogGroup"];
    assert_eq!(log_group["Condition"], "LogsExecutions");
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
        let properties = &resource["Properties"];
        match resource["Type"].as_str().unwrap() {
            // SAM creates a role for each, with the boundary and the path from Globals.
            "AWS::Serverless::Function" => {
                assert_eq!(properties.get("Role"), None, "{name}");
                assert_eq!(properties.get("PermissionsBoundary"), None, "{name}");
            }
            "AWS::Serverless::StateMachine" => {
                assert_eq!(
                    properties["PermissionsBoundary"],
                    globals["PermissionsBoundary"]
                );
                assert_eq!(properties["RolePath"], globals["RolePath"]);
            }
            "AWS::IAM::Role" => {
                assert_eq!(
                    properties["PermissionsBoundary"],
                    globals["PermissionsBoundary"]
                );
                assert_eq!(properties["Path"], globals["RolePath"]);
            }
            _ => {}
        }
    }
}
