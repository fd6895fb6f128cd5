//! The handler against the stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use lambda_runtime::Diagnostic;
use report_status::{Clients, handle};
use serde_json::{Value, json};
use shared::failure_action::{FailureAction, FailureActions};
use stand_in::{
    Fault,
    Operation::{self, DescribeExecution},
    StandIn,
};

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
const REPORT: Operation = Operation::PutLifecycleEventHookExecutionStatus;

fn hook() -> Value {
    json!({ "deploymentId": DEPLOYMENT, "lifecycleEventHookExecutionId": HOOK })
}

fn report(result: &str) -> Value {
    json!({ "hook": hook(), "result": result })
}

fn execution_input() -> Value {
    json!({ "hook": hook(), "invalidations": [] })
}

/// As the queue delivers it the first time.
fn message(body: &Value) -> Value {
    message_received("1", body)
}

fn message_received(times: &str, body: &Value) -> Value {
    json!({ "Records": [{
        "messageId": "m-1",
        "eventSource": "aws:sqs",
        "body": body.to_string(),
        "attributes": { "ApproximateReceiveCount": times },
    }] })
}

fn status_change(status: &str, error: Option<&str>, input: Option<&Value>) -> Value {
    json!({
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": EXECUTION,
            "status": status,
            "input": input.map(Value::to_string),
            "inputDetails": { "included": input.is_some() },
            "error": error,
        },
    })
}

fn failed_invocation() -> Value {
    json!({
        "version": "1.0",
        "requestContext": { "condition": "RetriesExhausted" },
        "requestPayload": { "DeploymentId": DEPLOYMENT, "LifecycleEventHookExecutionId": HOOK },
        "responsePayload": { "errorType": "StatusNotReported" },
    })
}

/// What Step Functions says about an execution.
fn description(status: &str, error: &str) -> Fault {
    Fault::Response(json!({
        "executionArn": EXECUTION,
        "stateMachineArn": STATE_MACHINE,
        "status": status,
        "startDate": 0,
        "input": execution_input().to_string(),
        "error": error,
    }))
}

fn unavailable() -> Fault {
    Fault::new("InternalFailure", 500, "Oops.")
}

/// The stand-in, with this response of Step Functions to the next request.
async fn describing(response: Fault) -> StandIn {
    let aws = StandIn::start().await.unwrap();
    aws.inject(DescribeExecution, "", 1, response);
    aws
}

/// Returns what Lambda would return.
async fn invoke(aws: &StandIn, event: Value) -> Result<Value, Diagnostic> {
    let clients = Clients::new(&aws.client_config());
    Ok(json!(
        handle(&clients, ACTIONS, STATE_MACHINE, event).await?
    ))
}

#[track_caller]
fn assert_contains(text: &impl ToString, parts: &[&str]) {
    let text = text.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn the_result_and_its_failure_action_decide() {
    for (result, status, reason) in [
        ("Completed", "Succeeded", "all invalidations are completed"),
        ("Failed", "Failed", "OnInvalidationFailure is Fail"),
        ("TimedOut", "Succeeded", "OnInvalidationTimeout is Continue"),
    ] {
        let aws = StandIn::start().await.unwrap();

        let output = invoke(&aws, report(result)).await.unwrap();

        assert_eq!(output["reportedStatus"], status);
        assert_contains(&output["summary"], &[reason]);
        assert_eq!(aws.operations(), [REPORT]);
        let accepted = &aws.accepted_statuses(DEPLOYMENT)[0];
        assert_eq!(accepted.hook_execution_id, HOOK);
        assert_eq!(accepted.status, status);
    }
}

#[tokio::test]
async fn nothing_is_reported_if_no_deployment_waits() {
    let aws = StandIn::start().await.unwrap();
    let ended = |input| message(&status_change("FAILED", None, Some(&input)));
    for event in [
        json!({ "hook": null, "result": "Failed" }),
        ended(json!({ "invalidations": [] })),
        ended(json!("what is this?")),
        message(&json!({ "requestPayload": {} })),
        message(&json!({ "requestPayload": { "lifecycleStage": "SCALE_UP" } })),
    ] {
        let output = invoke(&aws, event).await.unwrap();
        assert_eq!(output["reportedStatus"], Value::Null);
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn a_second_report_is_no_error_even_if_codedeploy_rejects_it() {
    for accepts_repeated_status in [false, true] {
        let aws = StandIn::start().await.unwrap();
        aws.set_behavior(DEPLOYMENT, |b| {
            b.accepts_repeated_status = accepts_repeated_status;
        });
        for _ in 0..2 {
            invoke(&aws, report("Completed")).await.unwrap();
        }
        assert_eq!(aws.operations(), [REPORT; 2]);
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
        let event = message(&status_change(status, error, Some(&execution_input())));
        let output = invoke(&aws, event).await.unwrap();
        assert_eq!(output["batchItemFailures"], json!([]));
        assert_eq!(aws.statuses(DEPLOYMENT), [reported], "{status} {error:?}");
        assert_eq!(aws.operations(), [REPORT]);
    }
}

#[tokio::test]
async fn an_error_or_an_input_that_the_event_does_not_have_is_described() {
    let input = execution_input();
    for (status, input, error, reported) in [
        ("FAILED", Some(&input), "InvalidationTimedOut", "Succeeded"),
        ("FAILED", Some(&input), "AccessDenied", "Failed"),
        ("FAILED", None, "InvalidatedButNotReported", "Succeeded"),
        ("ABORTED", None, "", "Failed"),
    ] {
        let aws = describing(description(status, error)).await;
        let event = message(&status_change(status, None, input));
        invoke(&aws, event).await.unwrap();
        assert_eq!(aws.statuses(DEPLOYMENT), [reported], "{error}");
    }
}

#[tokio::test]
async fn the_queue_repeats_until_the_execution_is_described_but_not_for_too_long() {
    for body in [
        status_change("FAILED", None, Some(&execution_input())),
        failed_invocation(),
    ] {
        let denied = Fault::new("AccessDeniedException", 400, "No.");
        for response in [denied, unavailable()] {
            for times in ["1", "14"] {
                let aws = describing(response.clone()).await;
                let error = invoke(&aws, message_received(times, &body)).await;
                let error = error.unwrap_err();
                assert_eq!(error.error_type, "ExecutionUnreadable");
                assert_eq!(aws.operations(), [DescribeExecution], "{times}");
            }
            let aws = describing(response).await;
            let output = invoke(&aws, message_received("15", &body)).await.unwrap();
            assert_eq!(aws.statuses(DEPLOYMENT), ["Failed"]);
            assert_contains(&output["summary"], &["Reported Failed"]);
        }
    }
}

#[tokio::test]
async fn an_execution_whose_input_is_not_known_is_an_error_however_often_it_is_described() {
    let aws = describing(unavailable()).await;
    let ended = status_change("ABORTED", None, None);

    let error = invoke(&aws, message_received("15", &ended)).await;

    let error = error.unwrap_err();
    assert_eq!(error.error_type, "ExecutionUnreadable");
    assert_contains(&error.error_message, &[EXECUTION]);
}

#[tokio::test]
async fn a_failed_hook_function_is_reported_unless_its_execution_was_started() {
    let missing = || Fault::new("ExecutionDoesNotExist", 400, "No.");
    let running = || description("RUNNING", "");
    let not_here = "reports for deployment d-A1B2C3D4E;";
    let again = json!([{ "itemIdentifier": "m-1" }]);
    for (response, times, reported, summary, repeated) in [
        // It may be found later.
        (missing(), "1", vec![], "in a minute", &again),
        (
            missing(),
            "2",
            vec!["Failed"],
            "Reported Failed",
            &json!([]),
        ),
        (running(), "1", vec![], not_here, &json!([])),
        (running(), "2", vec![], not_here, &json!([])),
    ] {
        let aws = describing(response).await;
        let event = message_received(times, &failed_invocation());
        let output = invoke(&aws, event).await.unwrap();
        assert_eq!(aws.statuses(DEPLOYMENT), reported);
        assert_contains(&output["summary"], &[summary]);
        assert_eq!(&output["batchItemFailures"], repeated);
    }
}

#[tokio::test]
async fn what_is_retryable_and_what_is_not_have_names_of_their_own() {
    let invalid_id = "InvalidLifecycleEventHookExecutionIdException";
    for (code, status, name) in [
        ("ThrottlingException", 400, "CodeDeployUnavailable"),
        ("InternalFailure", 500, "CodeDeployUnavailable"),
        ("DeploymentDoesNotExistException", 400, "CodeDeployRejected"),
        (invalid_id, 400, "CodeDeployRejected"),
        ("AccessDeniedException", 400, "CodeDeployRejected"),
    ] {
        let aws = StandIn::start().await.unwrap();
        aws.inject(REPORT, DEPLOYMENT, 1, Fault::new(code, status, "No."));

        let error = invoke(&aws, report("Completed")).await.unwrap_err();

        assert_eq!(error.error_type, name);
        assert_contains(&error.error_message, &[DEPLOYMENT, code, "Succeeded"]);
        assert!(!error.error_message.contains(HOOK), "{error:?}");
    }
}

#[tokio::test]
async fn an_invalid_field_of_the_input_is_named() {
    let aws = StandIn::start().await.unwrap();
    let with_hook = |hook: Value| json!({ "hook": hook, "result": "Failed" });
    for (event, field) in [
        (json!({ "hook": hook() }), "result"),
        (report("Perhaps"), "result"),
        (with_hook(json!({})), "hook"),
        (with_hook(json!({ "deploymentId": 7 })), "hook.deploymentId"),
        (
            message(&json!({ "requestPayload": { "DeploymentId": "d-1" } })),
            "requestPayload",
        ),
        (message(&json!({ "source": "aws.states" })), "detail"),
        (message(&json!("what is this?")), "status change"),
        (json!({ "Records": [] }), "Records"),
    ] {
        let error = invoke(&aws, event).await.unwrap_err();
        assert_eq!(error.error_type, "InvalidInput");
        assert_contains(&error.error_message, &[field]);
    }
    assert_eq!(aws.calls(), []);
}
