//! The handler against the CodeDeploy stand-in and a replayed Step Functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;
use lambda_runtime::Diagnostic;
use report_status::{Clients, Error, FailureActions, Output, handle};
use serde_json::{Value, json};
use shared::{codedeploy::HookStatus, failure_action::FailureAction};
use stand_in::{Behavior, Call, Fault, Operation, Request, StandIn};

const DEPLOYMENT: &str = "d-A1B2C3D4E";
const HOOK: &str = "eyJlbmNyeXB0ZWQ=";
const EXECUTION: &str =
    "arn:aws:states:eu-central-1:111122223333:execution:invalidate:d-A1B2C3D4E-0";
const STATE_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:invalidate";
/// They differ, so that a status shows which of the two decided.
const ACTIONS: FailureActions = FailureActions {
    on_invalidation_failure: FailureAction::FailDeployment,
    on_invalidation_timeout: FailureAction::ContinueDeployment,
};

fn hook() -> Value {
    json!({ "deploymentId": DEPLOYMENT, "lifecycleEventHookExecutionId": HOOK })
}

fn report(result: &str) -> Value {
    json!({ "hook": hook(), "result": result })
}

fn status_change(status: &str, error: Option<&str>, input: Option<&Value>) -> Value {
    message(&json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": EXECUTION,
            "status": status,
            "input": input.map(Value::to_string),
            "inputDetails": { "included": input.is_some() },
            "error": error,
        },
    }))
}

/// As the queue delivers it the first time.
fn message(body: &Value) -> Value {
    json!({ "Records": [{
        "eventSource": "aws:sqs",
        "body": body.to_string(),
        "attributes": { "ApproximateReceiveCount": "1" },
    }] })
}

fn failed_invocation() -> Value {
    message(&json!({
        "version": "1.0",
        "requestContext": { "condition": "RetriesExhausted" },
        "requestPayload": { "DeploymentId": DEPLOYMENT, "LifecycleEventHookExecutionId": HOOK },
        "responsePayload": { "errorType": "StatusNotReported" },
    }))
}

fn running_execution() -> Value {
    json!({
        "executionArn": EXECUTION,
        "stateMachineArn": STATE_MACHINE,
        "status": "RUNNING",
        "startDate": 0,
        "input": execution_input().to_string(),
    })
}

fn execution_input() -> Value {
    json!({ "hook": hook(), "invalidations": [] })
}

/// Handles the event with this response to `DescribeExecution`.
async fn handle_with(
    aws: &StandIn,
    event: Value,
    execution: (u16, Value),
) -> Result<Output, Error> {
    let (status, body) = execution;
    let replay = StaticReplayClient::new(vec![ReplayEvent::new(
        http::Request::new(SdkBody::empty()),
        http::Response::builder()
            .status(status)
            .body(SdkBody::from(body.to_string()))
            .unwrap(),
    )]);
    let config = aws.client_config();
    let clients = Clients {
        codedeploy: aws_sdk_codedeploy::Client::new(&config),
        config: config.into_builder().http_client(replay).build(),
    };
    handle(&clients, ACTIONS, STATE_MACHINE, event).await
}

async fn report_to(aws: &StandIn, event: Value) -> Result<Output, Error> {
    handle_with(aws, event, (500, json!({}))).await
}

#[tokio::test]
async fn completed_invalidations_succeed_whatever_the_failure_actions_say() {
    let aws = StandIn::start().await.unwrap();

    let output = report_to(&aws, report("Completed")).await.unwrap();

    assert_eq!(output.reported_status, Some(HookStatus::Succeeded));
    let calls = aws.calls();
    assert_eq!(
        calls,
        [Call {
            operation: Operation::PutLifecycleEventHookExecutionStatus,
            subject: DEPLOYMENT.into(),
            caller_reference: None,
            request: Request::HookStatus {
                hook_execution_id: HOOK.into(),
                status: "Succeeded".into(),
            },
            access_key: Some("stand-in".into()),
            error: None,
            at: calls[0].at,
        }]
    );
}

#[tokio::test]
async fn a_failure_and_a_timeout_have_a_failure_action_each() {
    for (result, status, parameter) in [
        (
            "Failed",
            "Failed",
            "OnInvalidationFailure is FailDeployment",
        ),
        (
            "TimedOut",
            "Succeeded",
            "OnInvalidationTimeout is ContinueDeployment",
        ),
    ] {
        let aws = StandIn::start().await.unwrap();
        let output = report_to(&aws, report(result)).await.unwrap();
        assert_eq!(aws.statuses(DEPLOYMENT), [status]);
        assert!(output.summary.contains(parameter), "{output:?}");
    }
}

#[tokio::test]
async fn nothing_is_reported_if_no_deployment_waits() {
    let aws = StandIn::start().await.unwrap();
    let ended = status_change("FAILED", None, Some(&json!({ "invalidations": [] })));
    let garbage = status_change("FAILED", None, Some(&json!("what is this?")));
    for event in [json!({ "hook": null, "result": "Failed" }), ended, garbage] {
        let output = report_to(&aws, event).await.unwrap();
        assert_eq!(output.reported_status, None);
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn a_second_report_is_no_error_even_if_codedeploy_rejects_it() {
    for accepts_repeated_status in [false, true] {
        let aws = StandIn::start().await.unwrap();
        aws.set_behavior(
            DEPLOYMENT,
            Behavior {
                accepts_repeated_status,
                ..Behavior::default()
            },
        );
        for _ in 0..2 {
            report_to(&aws, report("Completed")).await.unwrap();
        }
        assert_eq!(aws.calls().len(), 2);
    }
}

#[tokio::test]
async fn an_ended_execution_is_reported_per_its_error_and_the_failure_actions() {
    for (status, error, reported) in [
        ("ABORTED", None, "Failed"),
        ("FAILED", Some("States.Runtime"), "Failed"),
        ("FAILED", Some("InvalidationTimedOut"), "Succeeded"),
        ("FAILED", Some("InvalidatedButNotReported"), "Succeeded"),
        ("TIMED_OUT", None, "Failed"),
    ] {
        let aws = StandIn::start().await.unwrap();
        report_to(&aws, status_change(status, error, Some(&execution_input())))
            .await
            .unwrap();
        assert_eq!(aws.statuses(DEPLOYMENT), [reported], "{status} {error:?}");
    }
}

#[tokio::test]
async fn an_error_that_the_event_does_not_have_is_described() {
    for (error, status) in [
        ("InvalidationTimedOut", "Succeeded"),
        ("InvalidatedButNotReported", "Succeeded"),
        ("AccessDenied", "Failed"),
    ] {
        let aws = StandIn::start().await.unwrap();
        let mut execution = running_execution();
        execution["status"] = json!("FAILED");
        execution["error"] = json!(error);
        let event = status_change("FAILED", None, Some(&execution_input()));

        handle_with(&aws, event, (200, execution)).await.unwrap();

        assert_eq!(aws.statuses(DEPLOYMENT), [status], "{error}");
    }
}

#[tokio::test]
async fn without_a_known_error_the_status_is_per_on_invalidation_failure() {
    let denied = json!({ "__type": "AccessDeniedException", "message": "No." });
    let failing = json!({ "__type": "InternalFailure", "message": "Oops." });
    for (receipts, response, reported) in [
        ("14", (400, &denied), vec![]),
        ("15", (400, &denied), vec!["Failed"]),
        ("14", (500, &failing), vec![]),
        ("15", (500, &failing), vec!["Failed"]),
    ] {
        let aws = StandIn::start().await.unwrap();
        let mut event = status_change("FAILED", None, Some(&execution_input()));
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = json!(receipts);
        let (status, body) = response;

        let outcome = handle_with(&aws, event, (status, body.clone())).await;

        assert_eq!(
            aws.statuses(DEPLOYMENT),
            reported,
            "{receipts}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_input_too_large_for_the_event_is_described() {
    let aws = StandIn::start().await.unwrap();
    let event = status_change("ABORTED", None, None);
    handle_with(&aws, event, (200, running_execution()))
        .await
        .unwrap();

    assert_eq!(aws.statuses(DEPLOYMENT), ["Failed"]);
}

#[tokio::test]
async fn an_execution_that_cannot_be_described_is_an_error_that_the_queue_repeats() {
    let aws = StandIn::start().await.unwrap();

    let error = report_to(&aws, status_change("ABORTED", None, None))
        .await
        .unwrap_err();

    assert!(
        matches!(&error, Error::ExecutionUnreadable { execution_arn, .. } if execution_arn == EXECUTION),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_failed_hook_function_is_reported_per_on_invalidation_failure_unless_its_execution_was_started()
 {
    let missing = json!({ "__type": "ExecutionDoesNotExist", "message": "No." });
    let denied = json!({ "__type": "AccessDeniedException", "message": "No." });
    let running = running_execution();
    for (receipts, execution, reported, summary) in [
        ("1", (400, missing), vec!["Failed"], "Reported Failed"),
        ("15", (400, denied), vec!["Failed"], "Reported Failed"),
        (
            "1",
            (200, running),
            vec![],
            "reports for deployment d-A1B2C3D4E;",
        ),
    ] {
        let aws = StandIn::start().await.unwrap();
        let mut event = failed_invocation();
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = json!(receipts);
        let output = handle_with(&aws, event, execution.clone()).await.unwrap();
        assert_eq!(aws.statuses(DEPLOYMENT), reported, "{execution:?}");
        assert!(output.summary.contains(summary), "{output:?}");
    }
}

#[tokio::test]
async fn whether_the_execution_was_started_is_checked_again_if_step_functions_is_not_available() {
    let aws = StandIn::start().await.unwrap();
    let error = report_to(&aws, failed_invocation()).await.unwrap_err();
    assert!(
        matches!(error, Error::ExecutionUnreadable { .. }),
        "{error:?}"
    );
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn if_step_functions_stays_unavailable_the_status_is_reported_without_it() {
    for (receipts, reported) in [("14", vec![]), ("15", vec!["Failed"])] {
        let aws = StandIn::start().await.unwrap();
        let mut event = failed_invocation();
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = json!(receipts);

        let outcome = report_to(&aws, event).await;

        assert_eq!(aws.statuses(DEPLOYMENT), reported, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_is_retryable_and_what_is_not_have_names_of_their_own() {
    for (code, status, name) in [
        ("ThrottlingException", 400, "CodeDeployUnavailable"),
        ("InternalFailure", 500, "CodeDeployUnavailable"),
        ("DeploymentDoesNotExistException", 400, "CodeDeployRejected"),
        (
            "InvalidLifecycleEventHookExecutionIdException",
            400,
            "CodeDeployRejected",
        ),
        ("AccessDeniedException", 400, "CodeDeployRejected"),
    ] {
        let aws = StandIn::start().await.unwrap();
        let fault = Fault::new(code, status, "No.");
        aws.inject(
            Operation::PutLifecycleEventHookExecutionStatus,
            DEPLOYMENT,
            1,
            fault,
        );

        let error = report_to(&aws, report("Completed")).await.unwrap_err();

        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, name);
        for part in [DEPLOYMENT, code, "Succeeded"] {
            assert!(diagnostic.error_message.contains(part), "{diagnostic:?}");
        }
        assert!(!diagnostic.error_message.contains(HOOK), "{diagnostic:?}");
    }
}

#[tokio::test]
async fn an_invalid_field_of_the_input_is_named() {
    let aws = StandIn::start().await.unwrap();
    for (event, field) in [
        (json!({ "hook": hook() }), "result"),
        (report("Perhaps"), "result"),
        (json!({ "hook": {}, "result": "Failed" }), "hook"),
        (
            json!({ "hook": { "deploymentId": 7 }, "result": "Failed" }),
            "hook.deploymentId",
        ),
        (message(&json!({ "requestPayload": {} })), "requestPayload"),
        (message(&json!({ "source": "aws.states" })), "detail"),
        (message(&json!("what is this?")), "status change"),
        (json!({ "Records": [] }), "Records"),
    ] {
        let diagnostic = Diagnostic::from(report_to(&aws, event).await.unwrap_err());
        assert_eq!(diagnostic.error_type, "InvalidInput");
        assert!(diagnostic.error_message.contains(field), "{diagnostic:?}");
    }
    assert_eq!(aws.calls(), []);
}
