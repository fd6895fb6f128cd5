//! The handler against the stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod manual;

use execution::{
    name,
    settings::{InvalidSettings, InvalidationSettings},
};
use hook::{Clients, handle, settings::Settings};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::failure_action::FailureAction;
use stand_in::{ConnectionFault, Fault, Operation, StandIn};

const STATE_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:invalidate";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/pending-reports";
const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
const DEPLOYMENT: &str = "d-A1B2C3D4E";
const HOOK: &str = "eyJlbmNyeXB0ZWQ=";
const REQUEST: &str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd";

fn event() -> Value {
    json!({ "DeploymentId": DEPLOYMENT, "LifecycleEventHookExecutionId": HOOK })
}

fn hook() -> Value {
    json!({ "deploymentId": DEPLOYMENT, "lifecycleEventHookExecutionId": HOOK })
}

fn execution_name() -> String {
    name::of_hook(&serde_json::from_value(hook()).unwrap())
}

fn parse(variables: &[(&str, &str)]) -> Result<InvalidationSettings, InvalidSettings> {
    InvalidationSettings::parse(|name| {
        let arn = ("STATE_MACHINE_ARN", STATE_MACHINE);
        let mut variables = variables.iter().chain([&arn]);
        let found = variables.find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// The targets of a stack with one distribution and one tenant.
fn with_targets(targets: &str) -> Settings {
    let variables = [
        ("DISTRIBUTION_IDS", DISTRIBUTION),
        ("DISTRIBUTION_TENANT_IDS", "dt_1"),
        ("TARGETS", targets),
    ];
    Settings {
        invalidation: parse(&variables),
        ..valid_settings()
    }
}

fn settings(distributions: &str, paths: &str) -> Settings {
    Settings {
        invalidation: parse(&[("DISTRIBUTION_IDS", distributions), ("PATHS", paths)]),
        verifies_edge: false,
        pending_reports_queue_url: QUEUE.to_owned(),
        on_invalidation_failure: FailureAction::FailDeployment,
    }
}

fn valid_settings() -> Settings {
    settings(DISTRIBUTION, "/*")
}

/// The stand-in, with this response of Step Functions to the next request.
async fn aws(response: Fault) -> StandIn {
    let aws = StandIn::start().await.unwrap();
    aws.inject(Operation::StartExecution, "", 1, response);
    aws
}

/// No execution can be started.
async fn without_a_state_machine() -> StandIn {
    aws(Fault::new("StateMachineDoesNotExist", 400, "No.")).await
}

/// Returns what Lambda would return.
async fn invoke(aws: &StandIn, settings: &Settings, event: Value) -> Result<Value, Diagnostic> {
    let config = aws.client_config();
    // Without the retries of `Clients::new`.
    let sfn = aws_sdk_sfn::Client::new(&config);
    Ok(json!(
        handle(
            &Clients { sfn, config },
            settings,
            event,
            REQUEST.to_owned()
        )
        .await?
    ))
}

/// CodeDeploy's response to the next report.
fn codedeploy_rejects(aws: &StandIn, code: &str, status: u16) {
    let operation = Operation::PutLifecycleEventHookExecutionStatus;
    aws.inject(operation, DEPLOYMENT, 1, Fault::new(code, status, "No."));
}

#[track_caller]
fn assert_contains(text: &impl ToString, parts: &[&str]) {
    let text = text.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn starts_one_execution_with_all_it_needs() {
    let started = json!({ "executionArn": "arn", "startDate": 0 });
    let aws = aws(Fault::Response(started)).await;
    let settings = settings("E2QWRUHAPOMQZL, E1WEBSITE00001", "/b/*,/a");

    let output = invoke(&aws, &settings, event()).await.unwrap();

    let name = execution_name();
    assert!(name.starts_with("d-A1B2C3D4E-"), "{name}");
    let started = json!({ "outcome": "Started", "executionName": name, "alreadyStarted": false });
    assert_eq!(output, started);
    assert_eq!(aws.operations(), [Operation::StartExecution]);
    let mut requests = aws.requests(Operation::StartExecution);
    let input = requests[0]["input"].take();
    let request = json!({ "stateMachineArn": STATE_MACHINE, "name": name, "input": null });
    assert_eq!(requests, [request]);
    let input: Value = serde_json::from_str(input.as_str().unwrap()).unwrap();
    let invalidations = json!([
        { "distributionId": "E1WEBSITE00001", "paths": ["/a", "/b/*"] },
        { "distributionId": "E2QWRUHAPOMQZL", "paths": ["/a", "/b/*"] },
    ]);
    assert_eq!(
        input,
        json!({ "hook": hook(), "invalidations": invalidations })
    );
}

/// They are for all deployments of the stack.
#[tokio::test]
async fn the_urls_are_verified_only_if_all_deployments_invalidate_the_same() {
    let batch = json!([{ "distributionId": DISTRIBUTION, "paths": ["/*"] }]);
    let all = json!({ "*": batch }).to_string();
    let group = json!({ "shop/web": batch }).to_string();
    for (settings, event, is_verified) in [
        (valid_settings(), event(), true),
        (with_targets(&all), event(), true),
        (with_targets(&group), event(), false),
        (valid_settings(), json!({}), false),
    ] {
        let started = json!({ "executionArn": "arn", "startDate": 0 });
        let aws = aws(Fault::Response(started)).await;
        let settings = Settings {
            verifies_edge: true,
            ..settings
        };

        invoke(&aws, &settings, event).await.unwrap();

        let request = &aws.requests(Operation::StartExecution)[0];
        let input: Value = serde_json::from_str(request["input"].as_str().unwrap()).unwrap();
        assert_eq!(input["verifyEdge"] == true, is_verified, "{input}");
    }
}

#[tokio::test]
async fn an_execution_that_exists_is_not_started_again() {
    let aws = aws(Fault::new("ExecutionAlreadyExists", 400, "No.")).await;

    let output = invoke(&aws, &valid_settings(), event()).await.unwrap();

    assert_eq!(output["outcome"], "Started");
    assert_eq!(output["alreadyStarted"], true);
    assert_eq!(aws.operations(), [Operation::StartExecution]);
}

#[tokio::test]
async fn a_response_that_cannot_be_parsed_is_retried() {
    let aws = aws(Fault::Before(ConnectionFault::Unparseable)).await;
    let exists = Fault::new("ExecutionAlreadyExists", 400, "No.");
    aws.inject(Operation::StartExecution, "", 1, exists);
    let clients = Clients::new(&aws.client_config());

    let outcome = handle(&clients, &valid_settings(), event(), REQUEST.to_owned())
        .await
        .unwrap();

    assert_eq!(json!(outcome)["alreadyStarted"], true);
    assert_eq!(aws.operations(), [Operation::StartExecution; 2]);
}

#[tokio::test]
async fn without_an_execution_the_failure_action_is_reported() {
    for (on_invalidation_failure, status) in [
        (FailureAction::FailDeployment, "Failed"),
        (FailureAction::ContinueDeployment, "Succeeded"),
    ] {
        let aws = without_a_state_machine().await;
        let settings = Settings {
            on_invalidation_failure,
            ..valid_settings()
        };

        let output = invoke(&aws, &settings, event()).await.unwrap();

        assert_eq!(output["outcome"], "Reported");
        assert_eq!(output["reportedStatus"], status);
        assert_contains(&output["reason"], &[STATE_MACHINE]);
        assert_eq!(aws.statuses(DEPLOYMENT), [status]);
    }
}

#[tokio::test]
async fn invalid_settings_are_all_named_and_the_failure_action_is_reported_at_once() {
    let aws = StandIn::start().await.unwrap();
    let paths = "index.html,/a*b,/a b,/x~y,/%41,/ok";
    let settings = settings("not-an-id,E2QWRUHAPOMQZL", paths);

    let output = invoke(&aws, &settings, event()).await.unwrap();

    assert_eq!(output["outcome"], "Reported");
    assert_contains(&output["reason"], &["DISTRIBUTION_IDS", "not-an-id"]);
    let invalid = ["PATHS", "index.html", "/a*b", "/a b", "/x*", "%41"];
    assert_contains(&output["reason"], &invalid);
    assert_eq!(aws.statuses(DEPLOYMENT), ["Failed"]);
    let report = Operation::PutLifecycleEventHookExecutionStatus;
    assert_eq!(aws.operations(), [report]);
}

#[tokio::test]
async fn a_deployment_invalidates_the_targets_of_its_deployment_group_or_else_of_the_rest() {
    let web = json!([{ "distributionId": DISTRIBUTION, "paths": ["/*"] }]);
    let others = json!([{ "distributionTenantId": "dt_1", "paths": ["#blog"] }]);
    let targets = json!({ "shop/web": web, "*": others }).to_string();
    let ask = [Operation::GetDeployment, Operation::StartExecution];
    // CodeDeploy is asked only if deployment groups differ.
    let same = json!({ "*": others }).to_string();
    for (targets, group, operations, expected) in [
        (&targets, "shop/web", &ask[..], &web),
        (&targets, "shop/api", &ask, &others),
        (&same, "shop/web", &ask[1..], &others),
    ] {
        let started = json!({ "executionArn": "arn", "startDate": 0 });
        let aws = aws(Fault::Response(started)).await;
        aws.set_deployment(DEPLOYMENT, group, "user");

        invoke(&aws, &with_targets(targets), event()).await.unwrap();

        assert_eq!(aws.operations(), operations);
        let request = &aws.requests(Operation::StartExecution)[0];
        let input: Value = serde_json::from_str(request["input"].as_str().unwrap()).unwrap();
        assert_eq!(&input["invalidations"], expected);
    }
}

#[tokio::test]
async fn without_targets_of_the_deployment_the_failure_action_is_reported() {
    let targets = json!({ "shop/web": [{ "distributionId": DISTRIBUTION, "paths": ["/*"] }] });
    let settings = with_targets(&targets.to_string());
    let missing = Fault::new("DeploymentDoesNotExistException", 400, "No.");
    for (fault, parts) in [
        (None, ["shop/api", "Targets parameter"]),
        (Some(missing), ["DeploymentDoesNotExist", "GetDeployment"]),
    ] {
        let aws = StandIn::start().await.unwrap();
        aws.set_deployment(DEPLOYMENT, "shop/api", "user");
        if let Some(fault) = fault {
            aws.inject(Operation::GetDeployment, DEPLOYMENT, 1, fault);
        }

        let output = invoke(&aws, &settings, event()).await.unwrap();

        assert_eq!(output["outcome"], "Reported");
        assert_contains(&output["reason"], &parts);
        assert_eq!(aws.statuses(DEPLOYMENT), ["Failed"]);
    }
}

#[tokio::test]
async fn the_event_of_amazon_ecs_gets_to_know_the_right_function() {
    let aws = StandIn::start().await.unwrap();
    let event = json!({ "lifecycleStage": "POST_PRODUCTION_TRAFFIC_SHIFT" });

    let error = invoke(&aws, &valid_settings(), event).await.unwrap_err();

    assert_eq!(error.error_type, "InvalidHookEvent");
    assert_contains(&error.error_message, &["EcsHookFunctionArn"]);
}

#[tokio::test]
async fn a_hook_that_is_already_completed_is_no_error() {
    let aws = without_a_state_machine().await;
    codedeploy_rejects(&aws, "LifecycleEventAlreadyCompletedException", 400);

    let output = invoke(&aws, &valid_settings(), event()).await.unwrap();

    assert_eq!(output["outcome"], "Reported");
    assert_eq!(output["reportedStatus"], Value::Null);
}

#[tokio::test]
async fn a_status_that_codedeploy_does_not_accept_is_left_to_the_queue_of_pending_reports() {
    let aws = without_a_state_machine().await;
    codedeploy_rejects(&aws, "InternalFailure", 500);

    let output = invoke(&aws, &valid_settings(), event()).await.unwrap();

    assert_eq!(output["outcome"], "Queued");
    assert_contains(&output["reason"], &[STATE_MACHINE, "InternalFailure"]);
    let [message] = &aws.requests(Operation::SendMessage)[..] else {
        panic!("{:?}", aws.calls());
    };
    assert_eq!(message["QueueUrl"], QUEUE);
    let body: Value = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(body["requestPayload"], event());
}

/// Its response may have been lost, or an earlier event may have started the execution.
#[tokio::test]
async fn an_execution_that_may_exist_is_left_to_the_queue_of_pending_reports() {
    for (is_queue_denied, outcome, statuses) in
        [(false, "Queued", &[][..]), (true, "Reported", &["Failed"])]
    {
        let aws = aws(Fault::new("ServiceUnavailable", 503, "No.")).await;
        if is_queue_denied {
            let denied = Fault::new("AccessDenied", 403, "No.");
            aws.inject(Operation::SendMessage, DEPLOYMENT, 1, denied);
        }

        let output = invoke(&aws, &valid_settings(), event()).await.unwrap();

        assert_eq!(output["outcome"], outcome);
        assert_contains(&output["reason"], &["ServiceUnavailable"]);
        let reason = output["reason"].as_str().unwrap();
        assert_eq!(reason.contains("AccessDenied"), is_queue_denied, "{reason}");
        assert_eq!(aws.requests(Operation::SendMessage).len(), 1);
        assert_eq!(aws.statuses(DEPLOYMENT), statuses);
    }
}

#[tokio::test]
async fn no_execution_no_report_and_no_message_is_an_error_that_lambda_retries() {
    let aws = without_a_state_machine().await;
    codedeploy_rejects(&aws, "InternalFailure", 500);
    let denied = Fault::new("AccessDenied", 403, "No.");
    aws.inject(Operation::SendMessage, DEPLOYMENT, 1, denied);

    let error = invoke(&aws, &valid_settings(), event()).await.unwrap_err();

    assert_eq!(error.error_type, "StatusNotReported");
    let message = &error.error_message;
    assert_contains(message, &[DEPLOYMENT, STATE_MACHINE]);
    assert_contains(message, &["InternalFailure", "AccessDenied"]);
    assert_contains(message, &["aws deploy stop-deployment"]);
}

#[tokio::test]
async fn an_invalid_field_of_the_event_is_named() {
    let aws = StandIn::start().await.unwrap();
    let (deployment, hook) = ("DeploymentId", "LifecycleEventHookExecutionId");
    for (wrong, problem) in [
        (json!({ hook: "x" }), deployment),
        (json!({ deployment: "d-1" }), hook),
        (json!({ deployment: "", hook: "x" }), deployment),
        (json!({ deployment: "d-1", hook: 7 }), hook),
        (json!({ "dryrun": true }), "dryrun"),
        (json!({ "dryRun": 1 }), "dryRun"),
        (json!(["d-1", "x"]), "not a JSON object"),
        (json!("d-1"), "not a JSON object"),
        (json!(null), "not a JSON object"),
    ] {
        let error = invoke(&aws, &valid_settings(), wrong).await.unwrap_err();
        assert_eq!(error.error_type, "InvalidHookEvent");
        assert_contains(&error.error_message, &[problem]);
    }
    assert_eq!(aws.calls(), []);
}
