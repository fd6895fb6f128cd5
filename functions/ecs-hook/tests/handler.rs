//! The handler against the stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use ecs_hook::{Clients, handle, settings::Settings};
use execution::settings::InvalidationSettings;
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::failure_action::{FailureAction, FailureActions};
use stand_in::{ConnectionFault, Fault, Operation, StandIn};

const STATE_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:invalidate";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/rollbacks";
const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
const DEPLOYMENT: &str =
    "arn:aws:ecs:eu-central-1:111122223333:service-deployment/shop/web/NCWGC2ZR-taawPAYrIaU5";
const GREEN: &str = "arn:aws:ecs:eu-central-1:111122223333:service-revision/shop/web/2222";
const BLUE: &str = "arn:aws:ecs:eu-central-1:111122223333:service-revision/shop/web/1111";
const INVALIDATE: &str = "POST_PRODUCTION_TRAFFIC_SHIFT";
const SHIFT: &str = "PRODUCTION_TRAFFIC_SHIFT";

fn event(stage: &str, weights: &Value, hook_details: &Value) -> Value {
    json!({
        "executionId": "a0e8c3f6",
        "lifecycleStage": stage,
        "resourceArn": DEPLOYMENT,
        "executionDetails": {
            "serviceArn": "arn:aws:ecs:eu-central-1:111122223333:service/shop/web",
            "targetServiceRevisionArn": GREEN,
            "testTrafficWeights": {},
            "productionTrafficWeights": weights,
        },
        "hookDetails": hook_details,
    })
}

fn invalidate() -> Value {
    event(INVALIDATE, &json!({}), &json!({}))
}

fn with_targets(targets: &str) -> Settings {
    Settings {
        state_machine_arn: STATE_MACHINE.to_owned(),
        invalidation: InvalidationSettings::parse(|name| {
            let value = match name {
                "STATE_MACHINE_ARN" => STATE_MACHINE,
                "DISTRIBUTION_IDS" => DISTRIBUTION,
                "PATHS" => "/*",
                "TARGETS" => targets,
                _ => return None,
            };
            Some(value.to_owned())
        }),
        verifies_edge: false,
        rollbacks_queue_url: QUEUE.to_owned(),
        // They differ, so that a response shows which one decided.
        actions: FailureActions {
            on_invalidation_failure: FailureAction::FailDeployment,
            on_invalidation_timeout: FailureAction::ContinueDeployment,
        },
    }
}

/// Returns what Lambda would return.
async fn invoke(aws: &StandIn, settings: &Settings, event: Value) -> Result<Value, Diagnostic> {
    let clients = Clients::new(&aws.client_config());
    Ok(json!(handle(&clients, settings, event).await?))
}

/// The stand-in, with an execution in this state.
async fn with_execution(status: &str, error: Option<&str>) -> StandIn {
    let aws = StandIn::start().await.unwrap();
    let execution = json!({
        "executionArn": "arn", "stateMachineArn": STATE_MACHINE, "status": status, "startDate": 0, "error": error,
    });
    aws.inject(
        Operation::DescribeExecution,
        "",
        1,
        Fault::Response(execution),
    );
    aws
}

/// The stand-in, without an execution until one is started.
async fn without_execution() -> StandIn {
    let aws = StandIn::start().await.unwrap();
    let missing = Fault::new("ExecutionDoesNotExist", 400, "No.");
    aws.inject(Operation::DescribeExecution, "", usize::MAX, missing);
    let started = json!({ "executionArn": "arn", "startDate": 0 });
    aws.inject(Operation::StartExecution, "", 1, Fault::Response(started));
    aws
}

fn input(aws: &StandIn) -> Value {
    let request = &aws.requests(Operation::StartExecution)[0];
    serde_json::from_str(request["input"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_first_call_starts_an_execution_and_asks_to_be_called_again() {
    let aws = without_execution().await;

    let response = invoke(&aws, &with_targets(""), invalidate()).await.unwrap();

    let in_progress = json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 10, "hookDetails": { "failedCalls": 0 } });
    assert_eq!(response, in_progress);
    let request = &aws.requests(Operation::StartExecution)[0];
    let name = request["name"].as_str().unwrap();
    let readable = "NCWGC2ZR-taawPAYrIaU5-web-";
    assert!(name.starts_with(readable), "{name}");
    let invalidations = json!([{ "distributionId": DISTRIBUTION, "paths": ["/*"] }]);
    assert_eq!(input(&aws), json!({ "invalidations": invalidations }));
}

/// They matter only in a rollback.
#[tokio::test]
async fn odd_execution_details_do_not_fail_a_deployment() {
    for details in [
        json!(null),
        json!(7),
        json!({ "productionTrafficWeights": null }),
    ] {
        for (stage, expected) in [(INVALIDATE, "IN_PROGRESS"), (SHIFT, "SUCCEEDED")] {
            let aws = without_execution().await;
            let mut event = event(stage, &json!({ BLUE: 100 }), &json!({}));
            event["executionDetails"] = details.clone();

            let response = invoke(&aws, &with_targets(""), event).await.unwrap();

            assert_eq!(response["hookStatus"], expected, "{stage} {details}");
            assert_eq!(aws.requests(Operation::SendMessage), [Value::Null; 0]);
        }
    }
}

#[tokio::test]
async fn later_calls_respond_with_how_the_execution_has_ended() {
    for (status, error, expected) in [
        ("RUNNING", None, "IN_PROGRESS"),
        ("PENDING_REDRIVE", None, "IN_PROGRESS"),
        ("SUCCEEDED", None, "SUCCEEDED"),
        ("FAILED", Some("AccessDenied"), "FAILED"),
        ("FAILED", Some("InvalidationTimedOut"), "SUCCEEDED"),
        ("TIMED_OUT", None, "FAILED"),
        ("ABORTED", Some("Stopped"), "FAILED"),
    ] {
        // Also if the settings have become invalid.
        for targets in ["", "{"] {
            let aws = with_execution(status, error).await;

            let response = invoke(&aws, &with_targets(targets), invalidate()).await;

            let response = response.unwrap();
            assert_eq!(response["hookStatus"], expected, "{status} {error:?}");
            assert_eq!(
                response.get("callBackDelay").is_some(),
                expected == "IN_PROGRESS"
            );
            assert_eq!(aws.operations(), [Operation::DescribeExecution]);
        }
    }
}

#[tokio::test]
async fn a_service_invalidates_what_its_hook_details_or_its_key_of_targets_say() {
    let batch = |path: &str| json!([{ "distributionId": DISTRIBUTION, "paths": [path] }]);
    let targets = json!({ "shop/web": batch("/web"), "*": batch("/others") }).to_string();
    let others = json!({ "shop/api": batch("/api"), "*": batch("/others") }).to_string();
    let own = json!({ "invalidations": batch("/own") });
    for (targets, details, expected) in [
        (&targets, json!({}), "/web"),
        (&others, json!({}), "/others"),
        (&targets, own.clone(), "/own"),
        (&targets, json!(own.to_string()), "/own"),
        (&targets, json!({ "failedCalls": 3 }), "/web"),
        (&targets, Value::Null, "/web"),
        (&targets, json!(""), "/web"),
    ] {
        let aws = without_execution().await;
        let event = event(INVALIDATE, &json!({}), &details);

        let settings = Settings {
            verifies_edge: true,
            ..with_targets(targets)
        };
        invoke(&aws, &settings, event).await.unwrap();

        // None of them invalidates what all services do.
        assert_eq!(input(&aws), json!({ "invalidations": batch(expected) }));
    }
    let aws = without_execution().await;
    let settings = Settings {
        verifies_edge: true,
        ..with_targets("")
    };
    invoke(&aws, &settings, invalidate()).await.unwrap();
    assert_eq!(input(&aws)["verifyEdge"], true);
}

#[tokio::test]
async fn what_cannot_be_invalidated_is_a_failure_and_no_error() {
    let another =
        json!({ "invalidations": [{ "distributionId": "E1ANOTHER00001", "paths": ["/*"] }] });
    let web =
        json!({ "shop/api": [{ "distributionId": DISTRIBUTION, "paths": ["/*"] }] }).to_string();
    let mut without_arn = invalidate();
    without_arn["resourceArn"] = json!("arn:aws:ecs:eu-central-1:111122223333:service/shop/web");
    let with_details = |details| event(INVALIDATE, &json!({}), details);
    for (targets, event) in [
        ("{", invalidate()),
        (&*web, invalidate()),
        ("", with_details(&another)),
        ("", with_details(&json!({ "invalidations": [] }))),
        ("", with_details(&json!({ "invalidation": [] }))),
        ("", with_details(&json!(["odd"]))),
        ("", with_details(&json!("{"))),
        ("", without_arn),
        ("", json!({})),
        ("", json!([])),
    ] {
        let aws = without_execution().await;

        let response = invoke(&aws, &with_targets(targets), event).await.unwrap();

        assert_eq!(response, json!({ "hookStatus": "FAILED" }));
        assert_eq!(aws.requests(Operation::StartExecution), [Value::Null; 0]);
    }
}

#[tokio::test]
async fn a_call_that_fails_for_a_while_is_repeated_and_the_hook_details_count_it_and_stay() {
    for operation in [Operation::DescribeExecution, Operation::StartExecution] {
        let aws = StandIn::start().await.unwrap();
        let closed = Fault::Before(ConnectionFault::Closed);
        aws.inject(operation, "", usize::MAX, closed);
        let missing = Fault::new("ExecutionDoesNotExist", 400, "No.");
        aws.inject(Operation::DescribeExecution, "", usize::MAX, missing);
        let own = json!([{ "distributionId": DISTRIBUTION, "paths": ["/own"] }]);
        let mut details = json!({ "invalidations": own, "failedCalls": "odd" });

        for call in 1..20 {
            let event = event(INVALIDATE, &json!({}), &details);
            let response = invoke(&aws, &with_targets(""), event).await.unwrap();

            details["failedCalls"] = json!(call);
            let again =
                json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 30, "hookDetails": details });
            assert_eq!(response, again);
        }
        let event = event(INVALIDATE, &json!({}), &details);
        let response = invoke(&aws, &with_targets(""), event).await.unwrap();
        assert_eq!(response, json!({ "hookStatus": "FAILED" }));
    }
    let aws = with_execution("RUNNING", None).await;
    let details = |failed| json!({ "invalidations": [], "failedCalls": failed });
    let event = event(INVALIDATE, &json!({}), &details(19));
    let response = invoke(&aws, &with_targets(""), event).await.unwrap();
    assert_eq!(response["hookDetails"], details(0));
}

#[tokio::test]
async fn an_execution_that_exists_and_is_not_found_does_not_keep_the_deployment_for_ever() {
    let aws = StandIn::start().await.unwrap();
    let missing = Fault::new("ExecutionDoesNotExist", 400, "No.");
    aws.inject(Operation::DescribeExecution, "", usize::MAX, missing);
    let exists = Fault::new("ExecutionAlreadyExists", 400, "No.");
    aws.inject(Operation::StartExecution, "", usize::MAX, exists);
    for (failed, expected) in [(0, "IN_PROGRESS"), (19, "FAILED")] {
        let event = event(INVALIDATE, &json!({}), &json!({ "failedCalls": failed }));

        let response = invoke(&aws, &with_targets(""), event).await.unwrap();

        assert_eq!(response["hookStatus"], expected);
    }
}

#[tokio::test]
async fn only_a_rollback_is_left_to_the_queue_of_rollbacks() {
    for (stage, weights, is_rollback) in [
        (SHIFT, json!({ GREEN: 0, BLUE: 100 }), true),
        (SHIFT, json!({ GREEN: 0.0, BLUE: 100.0 }), true),
        (SHIFT, json!({ BLUE: 100 }), true),
        (SHIFT, json!({ GREEN: 100, BLUE: 0 }), false),
        (SHIFT, json!({ GREEN: 0.5, BLUE: 99.5 }), false),
        (SHIFT, json!({}), false),
        (SHIFT, json!(7), false),
        (SHIFT, json!(null), false),
        (SHIFT, json!({ GREEN: "0", BLUE: "100" }), false),
        (
            "PRE_PRODUCTION_TRAFFIC_SHIFT",
            json!({ GREEN: 0, BLUE: 100 }),
            false,
        ),
        ("TEST_TRAFFIC_SHIFT", json!({}), false),
        ("A_NEW_STAGE", json!({}), false),
    ] {
        let aws = StandIn::start().await.unwrap();
        let event = event(stage, &weights, &json!({}));

        let response = invoke(&aws, &with_targets(""), event).await.unwrap();

        assert_eq!(response, json!({ "hookStatus": "SUCCEEDED" }));
        let messages = aws.requests(Operation::SendMessage);
        assert_eq!(
            messages.len(),
            usize::from(is_rollback),
            "{stage} {weights}"
        );
        assert_eq!(aws.calls().len(), messages.len());
        for message in messages {
            assert_eq!(message["QueueUrl"], QUEUE);
            let body: Value =
                serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
            assert_eq!(body["serviceDeploymentArn"], DEPLOYMENT);
            let name = body["executionName"].as_str().unwrap();
            assert!(
                name.starts_with("NCWGC2ZR-taawPAYrIaU5-rollback-web-"),
                "{name}"
            );
            assert_eq!(body["invalidations"][0]["distributionId"], DISTRIBUTION);
        }
    }
}

/// Also if the hook itself failed the deployment before: its execution has another name.
#[tokio::test]
async fn all_calls_of_a_rollback_lead_to_the_same_execution_and_not_to_that_of_the_deployment() {
    let aws = without_execution().await;
    let rollback = || event(SHIFT, &json!({ GREEN: 0, BLUE: 100 }), &json!({}));
    for event in [invalidate(), rollback(), rollback()] {
        invoke(&aws, &with_targets(""), event).await.unwrap();
    }
    let [first, second] = &aws.requests(Operation::SendMessage)[..] else {
        panic!("two messages");
    };
    assert_eq!(first["MessageBody"], second["MessageBody"]);
    let started = aws.requests(Operation::StartExecution)[0]["name"].to_string();
    assert!(
        !first["MessageBody"]
            .to_string()
            .contains(started.trim_matches('"'))
    );
}

#[tokio::test]
async fn nothing_that_goes_wrong_stops_a_rollback() {
    let rollback = || event(SHIFT, &json!({ GREEN: 0, BLUE: 100 }), &json!({}));
    let off = Settings {
        rollbacks_queue_url: String::new(),
        ..with_targets("")
    };
    let others = with_targets(
        r#"{"other/service": [{"distributionId": "E2QWRUHAPOMQZL", "paths": ["/*"]}]}"#,
    );
    for (settings, messages) in [
        (with_targets(""), 1),
        (with_targets("{"), 0),
        (others, 0),
        (off, 0),
    ] {
        let aws = StandIn::start().await.unwrap();
        let denied = Fault::new("AccessDenied", 403, "No.");
        aws.inject(Operation::SendMessage, "", 1, denied);

        let response = invoke(&aws, &settings, rollback()).await.unwrap();

        assert_eq!(response, json!({ "hookStatus": "SUCCEEDED" }));
        assert_eq!(aws.calls().len(), messages);
    }
}

#[tokio::test]
async fn codedeploys_event_gets_to_know_the_right_function() {
    let aws = StandIn::start().await.unwrap();
    let event = json!({ "DeploymentId": "d-1", "LifecycleEventHookExecutionId": "x" });

    let error = invoke(&aws, &with_targets(""), event).await.unwrap_err();

    assert_eq!(error.error_type, "CodeDeployEvent");
    let message = error.error_message;
    assert!(message.contains("HookFunctionName"), "{message}");
}
