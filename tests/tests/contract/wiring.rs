//! The examples in `docs/wiring/`.

use std::fs;

use handlers::Handlers;
use serde_json::{Value, json};
use stand_in::StandIn;
use tests::command::{self, repository, tool};
use tokio::process::Command;

use crate::{read, yaml};

/// <https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html>
#[test]
fn the_examples_name_the_function_at_the_last_hook_of_their_platform() {
    const EXPECTED: &str = r#"
        ecs-appspec /version 0.0
        ecs-appspec /Resources/0/TargetService/Type "AWS::ECS::Service"
        ecs-appspec /Hooks/0/AfterAllowTraffic "CodeDeployHook_invalidate"
        lambda-appspec /version 0.0
        lambda-appspec /Resources/0/renderPages/Type "AWS::Lambda::Function"
        lambda-appspec /Hooks/0/AfterAllowTraffic "CodeDeployHook_invalidate"
        sam-template /Resources/RenderPages/Properties/DeploymentPreference/Hooks/PostTraffic "CodeDeployHook_invalidate"
    "#;
    for row in EXPECTED.trim().lines() {
        let [file, pointer, expected] = row.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let found = yaml(&format!("docs/wiring/{file}.yaml"));
        let found = found.pointer(pointer).map(Value::to_string);
        assert_eq!(found.as_deref(), Some(expected), "{row}");
    }
}

#[tokio::test]
async fn the_functions_accept_the_input_of_the_pipeline_and_of_the_documentation() {
    let pipeline = read("docs/wiring/codepipeline.yaml");
    let line = pipeline.lines().find(|line| line.contains("Input: !Sub"));
    let input = line.unwrap().split('\'').nth(1).unwrap();
    let input = input.replace("${DistributionId}", "E2QWRUHAPOMQZL");
    let page = read("docs/wiring/README.md");
    let documented = page
        .lines()
        .find(|line| line.starts_with("{ \"invalidations\""));
    let handlers = Handlers::new(StandIn::start().await.unwrap());
    for input in [input.as_str(), documented.unwrap()] {
        let input: Value = serde_json::from_str(input).unwrap();
        assert!(input.get("hook").is_none());
        let event = json!({
            "batch": input["invalidations"][0],
            "executionStartTime": "2026-11-23T12:00:00.000Z",
            "callerReference": "manual-0-0",
            "deadline": "2099-12-31T23:59:59.000Z",
        });
        let result = handlers.invoke("create-invalidation", event).await;
        assert!(result.is_ok(), "{input}: {result:?}");
    }
}

/// The two stages at which the function does something, in the example, in CDK's stack and in the stack's own output.
#[tokio::test]
async fn the_ecs_services_name_the_function_at_both_stages() {
    const HOOK: &str = "/Properties/DeploymentConfiguration/LifecycleHooks/0";
    let stages = ["POST_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"];
    let example = yaml("docs/wiring/ecs-service.yaml");
    for template in [example, synthesized("cdk_ecs_app.py").await] {
        let hook = only(&template, HOOK);
        let function = hook["HookTargetArn"].to_string();
        assert!(function.contains("EcsHookFunctionArn"), "{function}");
        assert_eq!(hook["LifecycleStages"], json!(stages));
        assert_eq!(hook["TimeoutConfiguration"]["TimeoutInMinutes"], 60);
    }
    let output = read("sam/template.yaml");
    let output = output.split_once("  EcsLifecycleHooks:").unwrap().1;
    let line = format!("LifecycleStages: [{}]", stages.join(", "));
    assert!(output.contains(&line));
}

#[tokio::test]
async fn the_cdk_stack_is_synthesized_with_the_function_as_its_hook() {
    const HOOK: &str = "/UpdatePolicy/CodeDeployLambdaAliasUpdate/AfterAllowTrafficHook";
    let template = synthesized("cdk_app.py").await;
    // CDK builds an ARN from the name, and an expression that takes the name from the ARN.
    let hook = only(&template, HOOK).to_string();
    assert!(hook.contains("CodeDeployHook_invalidate"), "{hook}");
}

/// What the only resource has that has something there.
fn only<'a>(template: &'a Value, pointer: &str) -> &'a Value {
    let resources = template["Resources"].as_object().unwrap().values();
    let found: Vec<_> = resources.filter_map(|r| r.pointer(pointer)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0]
}

/// The template of a CDK app in `docs/wiring`.
async fn synthesized(app: &str) -> Value {
    let output = tempfile::tempdir().unwrap();
    // CDK for Python runs on Node.js.
    let node = tool("node", "");
    let path = format!("{}:{}", node.display(), std::env::var("PATH").unwrap());
    let mut python = Command::new(tool("cdk", "python"));
    let python = python.env("CDK_OUTDIR", output.path()).env("PATH", path);
    let app = repository().join("docs/wiring").join(app);
    command::run(python.arg(app)).await.unwrap();
    let text = fs::read_to_string(output.path().join("Pages.template.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}
