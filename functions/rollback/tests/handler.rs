//! The handler against the stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use execution::settings::InvalidationSettings;
use lambda_runtime::Diagnostic;
use rollback::{Clients, handle};
use serde_json::{Value, json};
use stand_in::{Fault, Operation, StandIn};

const STATE_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:invalidate";
const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
const DEPLOYMENT: &str = "d-A1B2C3D4E";
const SERVICE_DEPLOYMENT: &str =
    "arn:aws:ecs:eu-central-1:111122223333:service-deployment/shop/web/NCWGC2ZR-taawPAYrIaU5";
const MESSAGE: &str = "059f36b4-87a3-44ab-83d2-661975830a7d";

fn message(body: &Value) -> Value {
    let body = body.to_string();
    json!({ "Records": [{ "messageId": MESSAGE, "body": body }] })
}

fn of_codedeploy() -> Value {
    message(&json!({ "detail": { "deploymentId": DEPLOYMENT, "state": "SUCCESS" } }))
}

fn of_ecs() -> Value {
    message(&json!({
        "serviceDeploymentArn": SERVICE_DEPLOYMENT,
        "executionName": "NCWGC2ZR-rollback-web-1",
        "invalidations": [{ "distributionId": DISTRIBUTION, "paths": ["/*"] }],
    }))
}

/// Returns what Lambda would return.
async fn invoke(aws: &StandIn, targets: &str, event: Value) -> Result<Value, Diagnostic> {
    let settings = InvalidationSettings::parse(|name| {
        let value = match name {
            "STATE_MACHINE_ARN" => STATE_MACHINE,
            "DISTRIBUTION_IDS" => DISTRIBUTION,
            "PATHS" => "/*",
            "TARGETS" => targets,
            _ => return None,
        };
        Some(value.to_owned())
    });
    let clients = Clients::new(&aws.client_config());
    Ok(json!(handle(&clients, &settings, event).await?))
}

async fn aws() -> StandIn {
    let aws = StandIn::start().await.unwrap();
    let started = json!({ "executionArn": "arn", "startDate": 0 });
    aws.inject(Operation::StartExecution, "", 1, Fault::Response(started));
    aws
}

fn done() -> Value {
    json!({ "batchItemFailures": [] })
}

#[tokio::test]
async fn a_rollback_of_codedeploy_starts_an_execution_and_another_deployment_does_not() {
    for (creator, is_rollback) in [
        ("codeDeployRollback", true),
        ("CloudFormationRollback", true),
        ("user", false),
        ("CloudFormation", false),
        ("autoscaling", false),
    ] {
        let aws = aws().await;
        aws.set_deployment(DEPLOYMENT, "shop/web", creator);

        let response = invoke(&aws, "", of_codedeploy()).await.unwrap();

        assert_eq!(response, done());
        let requests = aws.requests(Operation::StartExecution);
        assert_eq!(requests.len(), usize::from(is_rollback), "{creator}");
        for request in requests {
            let name = request["name"].as_str().unwrap();
            assert!(name.starts_with("d-A1B2C3D4E-rollback-"), "{name}");
            let invalidations = json!([{ "distributionId": DISTRIBUTION, "paths": ["/*"] }]);
            let input = json!({ "invalidations": invalidations }).to_string();
            assert_eq!(request["input"], input);
        }
    }
}

/// The rule matches deployments that don't use the stack.
#[tokio::test]
async fn a_rollback_of_a_deployment_group_without_targets_starts_nothing() {
    let aws = aws().await;
    aws.set_deployment(DEPLOYMENT, "another/group", "codeDeployRollback");
    let targets = json!({ "shop/web": [{ "distributionId": DISTRIBUTION, "paths": ["/*"] }] });

    let response = invoke(&aws, &targets.to_string(), of_codedeploy()).await;

    assert_eq!(response.unwrap(), done());
    assert_eq!(aws.operations(), [Operation::GetDeployment]);
}

/// Those that `CloudFormation` runs have none.
#[tokio::test]
async fn a_rollback_without_a_deployment_group_invalidates_what_is_for_all_others() {
    for (targets, count) in [("*", 1), ("shop/web", 0)] {
        let aws = aws().await;
        aws.set_deployment(DEPLOYMENT, "", "CloudFormationRollback");
        let targets = json!({ targets: [{ "distributionId": DISTRIBUTION, "paths": ["/*"] }] });

        let response = invoke(&aws, &targets.to_string(), of_codedeploy()).await;

        assert_eq!(response.unwrap(), done());
        assert_eq!(aws.requests(Operation::StartExecution).len(), count);
    }
}

#[tokio::test]
async fn a_rollback_of_amazon_ecs_starts_an_execution_when_it_has_ended() {
    let again = json!({ "batchItemFailures": [{ "itemIdentifier": MESSAGE }] });
    for (status, has_ended) in [
        ("IN_PROGRESS", false),
        ("ROLLBACK_REQUESTED", false),
        ("ROLLBACK_IN_PROGRESS", false),
        ("STOP_REQUESTED", false),
        ("A_NEW_STATUS", false),
        ("ROLLBACK_SUCCESSFUL", true),
        ("ROLLBACK_FAILED", true),
        ("STOPPED", true),
        ("SUCCESSFUL", true),
    ] {
        let aws = aws().await;
        let found = json!({ "serviceDeployments": [{ "status": status }] });
        let describe = Operation::DescribeServiceDeployments;
        aws.inject(describe, "NCWGC2ZR-taawPAYrIaU5", 1, Fault::Response(found));

        let response = invoke(&aws, "", of_ecs()).await.unwrap();

        assert_eq!(response, if has_ended { done() } else { again.clone() });
        let requests = aws.requests(Operation::StartExecution);
        assert_eq!(requests.len(), usize::from(has_ended), "{status}");
        for request in requests {
            assert_eq!(request["name"], "NCWGC2ZR-rollback-web-1");
        }
    }
}

#[tokio::test]
async fn what_fails_is_an_error_that_says_whether_a_retry_may_help() {
    let unavailable = Fault::new("ServiceUnavailable", 503, "No.");
    let denied = Fault::new("AccessDeniedException", 400, "No.");
    for (operation, event) in [
        (Operation::GetDeployment, of_codedeploy()),
        (Operation::StartExecution, of_codedeploy()),
        (Operation::DescribeServiceDeployments, of_ecs()),
        (Operation::StartExecution, of_ecs()),
    ] {
        for (fault, name) in [(&unavailable, "Unavailable"), (&denied, "Rejected")] {
            let aws = StandIn::start().await.unwrap();
            aws.set_deployment(DEPLOYMENT, "shop/web", "codeDeployRollback");
            aws.inject(operation, "", 1, fault.clone());
            for about in [DEPLOYMENT, "NCWGC2ZR-taawPAYrIaU5"] {
                aws.inject(operation, about, 1, fault.clone());
            }

            let error = invoke(&aws, "", event.clone()).await.unwrap_err();

            assert_eq!(error.error_type, name, "{operation:?}");
        }
    }
    let aws = aws().await;
    let missing = json!({ "serviceDeployments": [], "failures": [{ "reason": "MISSING" }] });
    let describe = Operation::DescribeServiceDeployments;
    aws.inject(
        describe,
        "NCWGC2ZR-taawPAYrIaU5",
        1,
        Fault::Response(missing),
    );
    let error = invoke(&aws, "", of_ecs()).await.unwrap_err();
    assert_eq!(error.error_type, "Unavailable");
}

#[tokio::test]
async fn an_invalid_message_and_invalid_settings_are_errors() {
    let aws = StandIn::start().await.unwrap();
    for body in [json!({}), json!({ "serviceDeploymentArn": 7 }), json!("{")] {
        let error = invoke(&aws, "", message(&body)).await.unwrap_err();
        assert_eq!(error.error_type, "InvalidMessage");
    }
    let error = invoke(&aws, "", json!([])).await.unwrap_err();
    assert_eq!(error.error_type, "InvalidInput");
    assert_eq!(aws.calls(), []);
    // They matter only after a rollback.
    assert_eq!(invoke(&aws, "{", of_codedeploy()).await.unwrap(), done());
    aws.set_deployment(DEPLOYMENT, "shop/web", "codeDeployRollback");
    for event in [of_codedeploy(), of_ecs()] {
        let error = invoke(&aws, "{", event).await.unwrap_err();
        assert_eq!(error.error_type, "InvalidSettings");
    }
}
