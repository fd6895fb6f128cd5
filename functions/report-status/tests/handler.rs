//! The handler against the CodeDeploy stand-in and a replayed Step Functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_types::body::SdkBody;
use lambda_runtime::Diagnostic;
use report_status::{Clients, Error, Output, Policies, handle};
use serde_json::{Value, json};
use shared::{codedeploy::Answer, policy::Policy};
use stand_in::{Call, Fault, Operation, Request, StandIn, Switches};

const DEPLOYMENT: &str = "d-A1B2C3D4E";
const HOOK: &str = "eyJlbmNyeXB0ZWQ=";
const EXECUTION: &str = "arn:aws:states:eu-central-1:111122223333:execution:purge:d-A1B2C3D4E-0";
const STATE_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:purge";
/// They differ, so that an answer shows which of the two decided.
const POLICIES: Policies = Policies {
    on_purge_failed: Policy::FailDeployment,
    on_purge_overdue: Policy::ContinueDeployment,
};

fn hook() -> Value {
    json!({ "deploymentId": DEPLOYMENT, "lifecycleEventHookExecutionId": HOOK })
}

fn report(purge: &str) -> Value {
    json!({ "hook": hook(), "purge": purge })
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

/// As the queue passes it on, the first time.
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
        "responsePayload": { "errorType": "CodeDeployNotTold" },
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

/// Handles the event where `DescribeExecution` answers with this.
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
        sfn: config.into_builder().http_client(replay).build(),
    };
    handle(&clients, POLICIES, STATE_MACHINE, event).await
}

async fn tell(aws: &StandIn, event: Value) -> Result<Output, Error> {
    handle_with(aws, event, (500, json!({}))).await
}

#[tokio::test]
async fn a_completed_purge_succeeds_whatever_the_policies_say() {
    let aws = StandIn::start().await.unwrap();

    let output = tell(&aws, report("Completed")).await.unwrap();

    assert_eq!(output.told, Some(Answer::Succeeded));
    assert_eq!(
        aws.calls(),
        [Call {
            operation: Operation::PutLifecycleEventHookExecutionStatus,
            subject: DEPLOYMENT.into(),
            caller_reference: None,
            request: Request::Answer {
                hook_execution_id: HOOK.into(),
                status: "Succeeded".into(),
            },
            access_key: Some("stand-in".into()),
            error: None,
        }]
    );
}

#[tokio::test]
async fn a_failed_and_an_overdue_purge_have_a_policy_each() {
    for (purge, answer, parameter) in [
        ("Failed", "Failed", "OnPurgeFailed is FailDeployment"),
        (
            "Overdue",
            "Succeeded",
            "OnPurgeOverdue is ContinueDeployment",
        ),
    ] {
        let aws = StandIn::start().await.unwrap();
        let output = tell(&aws, report(purge)).await.unwrap();
        assert_eq!(aws.answers(DEPLOYMENT), [answer]);
        assert!(output.summary.contains(parameter), "{output:?}");
    }
}

#[tokio::test]
async fn nobody_is_told_where_nobody_waits() {
    let aws = StandIn::start().await.unwrap();
    let ended = status_change("FAILED", None, Some(&json!({ "invalidations": [] })));
    let garbage = status_change("FAILED", None, Some(&json!("what is this?")));
    for event in [json!({ "hook": null, "purge": "Failed" }), ended, garbage] {
        let output = tell(&aws, event).await.unwrap();
        assert_eq!(output.told, None);
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn a_second_report_is_fine_whichever_way_codedeploy_takes_it() {
    for same_answer_accepted_twice in [false, true] {
        let aws = StandIn::start().await.unwrap();
        aws.switch(
            DEPLOYMENT,
            Switches {
                same_answer_accepted_twice,
                ..Switches::default()
            },
        );
        for _ in 0..2 {
            tell(&aws, report("Completed")).await.unwrap();
        }
        assert_eq!(aws.calls().len(), 2);
    }
}

#[tokio::test]
async fn an_execution_that_ended_without_reporting_is_answered_for_by_policy() {
    for (status, error, answer) in [
        ("ABORTED", None, "Failed"),
        ("FAILED", Some("States.Runtime"), "Failed"),
        ("FAILED", Some("PurgeOverdue"), "Succeeded"),
        ("FAILED", Some("PurgedButNotTold"), "Succeeded"),
        ("TIMED_OUT", None, "Failed"),
    ] {
        let aws = StandIn::start().await.unwrap();
        tell(&aws, status_change(status, error, Some(&execution_input())))
            .await
            .unwrap();
        assert_eq!(aws.answers(DEPLOYMENT), [answer], "{status} {error:?}");
    }
}

#[tokio::test]
async fn an_input_too_large_for_the_event_is_looked_up() {
    let aws = StandIn::start().await.unwrap();
    let event = status_change("ABORTED", None, None);
    handle_with(&aws, event, (200, running_execution()))
        .await
        .unwrap();

    assert_eq!(aws.answers(DEPLOYMENT), ["Failed"]);
}

#[tokio::test]
async fn an_execution_that_cannot_be_looked_up_is_an_error_that_the_queue_repeats() {
    let aws = StandIn::start().await.unwrap();

    let error = tell(&aws, status_change("ABORTED", None, None))
        .await
        .unwrap_err();

    assert!(
        matches!(&error, Error::ExecutionUnreadable { execution_arn, .. } if execution_arn == EXECUTION),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_hook_whose_entry_function_failed_is_answered_by_policy_unless_its_execution_was_started()
{
    let missing = json!({ "__type": "ExecutionDoesNotExist", "message": "No." });
    let denied = json!({ "__type": "AccessDeniedException", "message": "No." });
    let running = running_execution();
    for (execution, answers) in [
        ((400, missing), vec!["Failed"]),
        ((400, denied), vec!["Failed"]),
        ((200, running), vec![]),
    ] {
        let aws = StandIn::start().await.unwrap();
        handle_with(&aws, failed_invocation(), execution.clone())
            .await
            .unwrap();
        assert_eq!(aws.answers(DEPLOYMENT), answers, "{execution:?}");
    }
}

#[tokio::test]
async fn whether_the_execution_was_started_is_asked_again_where_step_functions_fails() {
    let aws = StandIn::start().await.unwrap();
    let error = tell(&aws, failed_invocation()).await.unwrap_err();
    assert!(
        matches!(error, Error::ExecutionUnreadable { .. }),
        "{error:?}"
    );
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn where_step_functions_fails_for_long_an_answer_by_policy_is_better_than_none() {
    for (receipts, answers) in [("14", vec![]), ("15", vec!["Failed"])] {
        let aws = StandIn::start().await.unwrap();
        let mut event = failed_invocation();
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = json!(receipts);

        let outcome = tell(&aws, event).await;

        assert_eq!(aws.answers(DEPLOYMENT), answers, "{outcome:?}");
    }
}

#[tokio::test]
async fn what_passes_and_what_does_not_have_names_of_their_own() {
    for (code, status, name) in [
        ("ThrottlingException", 400, "CodeDeployUnavailable"),
        ("InternalFailure", 500, "CodeDeployUnavailable"),
        ("DeploymentDoesNotExistException", 400, "CodeDeployRefused"),
        (
            "InvalidLifecycleEventHookExecutionIdException",
            400,
            "CodeDeployRefused",
        ),
        ("AccessDeniedException", 400, "CodeDeployRefused"),
    ] {
        let aws = StandIn::start().await.unwrap();
        let fault = Fault::new(code, status, "No.");
        aws.plan(
            Operation::PutLifecycleEventHookExecutionStatus,
            DEPLOYMENT,
            1,
            fault,
        );

        let error = tell(&aws, report("Completed")).await.unwrap_err();

        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, name);
        for part in [DEPLOYMENT, code, "Succeeded"] {
            assert!(diagnostic.error_message.contains(part), "{diagnostic:?}");
        }
        assert!(!diagnostic.error_message.contains(HOOK), "{diagnostic:?}");
    }
}

#[tokio::test]
async fn a_mistake_in_the_input_is_named_by_its_field() {
    let aws = StandIn::start().await.unwrap();
    for (event, field) in [
        (json!({ "hook": hook() }), "purge"),
        (report("Perhaps"), "purge"),
        (json!({ "hook": {}, "purge": "Failed" }), "hook"),
        (
            json!({ "hook": { "deploymentId": 7 }, "purge": "Failed" }),
            "hook.deploymentId",
        ),
        (message(&json!({ "requestPayload": {} })), "requestPayload"),
        (message(&json!({ "source": "aws.states" })), "detail"),
        (message(&json!("what is this?")), "status change"),
        (json!({ "Records": [] }), "Records"),
    ] {
        let diagnostic = Diagnostic::from(tell(&aws, event).await.unwrap_err());
        assert_eq!(diagnostic.error_type, "InvalidInput");
        assert!(diagnostic.error_message.contains(field), "{diagnostic:?}");
    }
    assert_eq!(aws.calls(), []);
}
