//! The examples in `docs/wiring/`, each read as whoever it is for reads it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::PathBuf, process::Command};

use serde_json::Value;
use tests::local_aws::{repository, tool};

/// What the examples call the hook function: the stack's name is `purge`.
const FUNCTION: &str = "CodeDeployHook_purge";

fn folder() -> PathBuf {
    repository().join("docs/wiring")
}

fn yaml(file: &str) -> Value {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

/// <https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html>
#[test]
fn the_appspecs_name_the_function_at_an_event_that_their_platform_has() {
    let lambda = ["BeforeAllowTraffic", "AfterAllowTraffic"];
    let ecs = [
        "BeforeInstall",
        "AfterInstall",
        "AfterAllowTestTraffic",
        "BeforeAllowTraffic",
        "AfterAllowTraffic",
    ];
    for (file, kind, known) in [
        ("ecs-appspec.yaml", "AWS::ECS::Service", &ecs[..]),
        ("lambda-appspec.yaml", "AWS::Lambda::Function", &lambda[..]),
    ] {
        let appspec = yaml(file);
        assert_eq!(appspec["version"].to_string(), "0.0", "{file}");
        let resource = appspec["Resources"][0].as_object().unwrap();
        assert_eq!(resource.values().next().unwrap()["Type"], kind, "{file}");
        assert_eq!(appspec["Hooks"][0]["AfterAllowTraffic"], FUNCTION, "{file}");
        for hook in appspec["Hooks"].as_array().unwrap() {
            let (event, function) = hook.as_object().unwrap().iter().next().unwrap();
            assert!(known.contains(&event.as_str()), "{file}: {event}");
            assert_eq!(function, FUNCTION, "{file}");
        }
    }
}

#[test]
fn sam_s_deployment_preference_names_the_function() {
    let template = yaml("sam-template.yaml");
    let function = &template["Resources"]["RenderPages"]["Properties"];
    let hooks = &function["DeploymentPreference"]["Hooks"];
    assert_eq!(hooks["PostTraffic"], FUNCTION);
}

#[tokio::test]
async fn the_input_of_the_pipeline_and_of_the_readme_is_one_that_the_functions_read() {
    let text = fs::read_to_string(folder().join("codepipeline.yaml")).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("Input: !Sub"))
        .unwrap();
    let of_the_pipeline = line.split('\'').nth(1).unwrap();
    let of_the_pipeline = of_the_pipeline.replace("${DistributionId}", "E2QWRUHAPOMQZL");
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    let mut lines = readme.lines();
    let of_the_readme = lines
        .find(|line| line.starts_with("{ \"invalidations\""))
        .unwrap();
    let aws = stand_in::StandIn::start().await.unwrap();
    let cloudfront = aws_sdk_cloudfront::Client::new(&aws.client_config());
    for input in [of_the_pipeline.as_str(), of_the_readme] {
        let input: Value = serde_json::from_str(input).unwrap();
        assert!(input.get("hook").is_none());
        let mut row = input["invalidations"][0].clone();
        row["executionStartTime"] = "2026-11-23T12:00:00.000Z".into();
        row["callerReference"] = "manual-0-0".into();
        row["deadline"] = "2099-12-31T23:59:59.000Z".into();
        let now = std::time::SystemTime::now();
        create_invalidation::handle(&cloudfront, row, now)
            .await
            .unwrap();
    }
}

#[test]
fn the_cdk_stack_is_synthesized_with_the_function_as_its_hook() {
    let output = tempfile::tempdir().unwrap();
    // jsii, which CDK's Python is made with, runs Node.js.
    let node = tool("node", "");
    let path = format!("{}:{}", node.display(), std::env::var("PATH").unwrap());
    let status = Command::new(tool("cdk", "python"))
        .arg(folder().join("cdk_app.py"))
        .env("CDK_OUTDIR", output.path())
        .env("PATH", path)
        .status()
        .unwrap_or_else(|error| panic!("{error}: `make test` installs CDK"));
    assert!(status.success());
    let text = fs::read_to_string(output.path().join("Pages.template.json")).unwrap();
    let template: Value = serde_json::from_str(&text).unwrap();
    let resources = template["Resources"].as_object().unwrap();
    let hooks: Vec<_> = resources
        .values()
        .map(|resource| &resource["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"])
        .filter_map(|update| update.get("AfterAllowTrafficHook"))
        .collect();
    // The name is the seventh part of an ARN, which CDK makes of it and takes apart again.
    assert_eq!(hooks.len(), 1);
    assert!(hooks[0].to_string().contains(FUNCTION), "{}", hooks[0]);
}
