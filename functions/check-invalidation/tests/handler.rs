//! The handler against the stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::Client;
use aws_smithy_types::{DateTime, date_time::Format};
use check_invalidation::handle;
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use stand_in::{
    Fault,
    Operation::{CreateInvalidation, GetInvalidation, GetInvalidationForDistributionTenant},
    StandIn,
};

const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
const OTHER: &str = "E1WEBSITE00001";

/// A row of an invalidation that CloudFront has.
async fn created(aws: &StandIn, distribution: &str) -> Value {
    let input = json!({
        "batch": { "distributionId": distribution, "paths": ["/*"] },
        "executionStartTime": "2026-11-23T12:00:00.000Z",
        "callerReference": "d-A1B2C3D4E-0123456789ab-0",
        "deadline": "2099-01-01T00:00:00.000Z",
    });
    let client = Client::new(&aws.client_config());
    let output = create_invalidation::handle(&client, input, SystemTime::now()).await;
    json!(output.unwrap().invalidation)
}

/// A row of an invalidation that was not created.
fn failed(error: &str, cause: &str) -> Value {
    json!({
        "status": "Failed",
        "distributionId": "not-an-id",
        "pathCount": 1,
        "error": error,
        "cause": cause,
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Checks the rows, so many seconds before the deadline. Returns what Lambda would return.
async fn check(
    aws: &StandIn,
    rows: &Value,
    now: SystemTime,
    seconds_left: u64,
) -> Result<Value, Diagnostic> {
    let deadline = DateTime::from(now + seconds(seconds_left)).fmt(Format::DateTime);
    let input = json!({ "invalidations": rows, "deadline": deadline.unwrap() });
    let client = Client::new(&aws.client_config());
    Ok(json!(handle(&client, input, now).await?))
}

fn statuses(output: &Value) -> Vec<&Value> {
    let rows = output["invalidations"].as_array().unwrap();
    rows.iter().map(|row| &row["status"]).collect()
}

#[track_caller]
fn assert_waits(output: &Value) {
    assert_eq!(output["status"], "InProgress");
    assert!(output["waitSeconds"].as_u64() > Some(0), "{output}");
    assert_eq!(output["error"], Value::Null);
}

#[track_caller]
fn assert_contains(text: &Value, parts: &[&str]) {
    let text = text.as_str().unwrap();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn a_tenant_is_checked_by_an_operation_of_its_own() {
    let aws = StandIn::start().await.unwrap();
    let mut row = created(&aws, DISTRIBUTION).await;
    row.as_object_mut().unwrap().remove("distributionId");
    row["distributionTenantId"] = json!("dt_1");
    let later = SystemTime::now() + seconds(120);

    let output = check(&aws, &json!([row]), later, 600).await.unwrap();

    let row = &output["invalidations"][0];
    assert_eq!(row["distributionTenantId"], "dt_1");
    assert_eq!(row["error"], "InvalidationNotFound");
    assert_contains(&row["cause"], &["distribution tenant dt_1"]);
    let expected = [CreateInvalidation, GetInvalidationForDistributionTenant];
    assert_eq!(aws.operations(), expected);
}

#[tokio::test]
async fn completed_needs_every_invalidation_completed() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(OTHER, None);
    let rows = json!([
        created(&aws, DISTRIBUTION).await,
        created(&aws, OTHER).await
    ]);
    let now = SystemTime::now() + seconds(30);

    let output = check(&aws, &rows, now, 600).await.unwrap();

    assert_waits(&output);
    assert_eq!(statuses(&output), ["Completed", "InProgress"]);

    aws.invalidations_take(OTHER, Some(Duration::ZERO));
    let output = check(&aws, &rows, now, 600).await.unwrap();

    assert_eq!(output["status"], "Completed");
    assert_eq!(output["waitSeconds"], 0);
    for row in output["invalidations"].as_array().unwrap() {
        assert_eq!(row["elapsedSeconds"], 30, "{output}");
    }
}

#[tokio::test]
async fn a_completed_invalidation_is_not_checked_again() {
    let aws = StandIn::start().await.unwrap();
    let mut rows = json!([
        created(&aws, DISTRIBUTION).await,
        created(&aws, OTHER).await
    ]);
    rows[0]["status"] = json!("Completed");

    check(&aws, &rows, SystemTime::now(), 600).await.unwrap();

    let expected = [CreateInvalidation, CreateInvalidation, GetInvalidation];
    assert_eq!(aws.operations(), expected);
    assert_eq!(aws.calls()[2].subject, OTHER);
    let pending = json!({ "invalidationId": rows[1]["invalidationId"] });
    assert_eq!(aws.calls()[2].request, pending);
}

#[tokio::test]
async fn a_failed_status_check_is_recorded_and_the_others_count() {
    let aws = StandIn::start().await.unwrap();
    let rows = json!([
        created(&aws, DISTRIBUTION).await,
        created(&aws, OTHER).await
    ]);
    let unavailable = Fault::new("ServiceUnavailable", 503, "Slow down.");
    aws.inject(GetInvalidation, DISTRIBUTION, 1, unavailable);

    let output = check(&aws, &rows, SystemTime::now(), 600).await.unwrap();

    assert_waits(&output);
    assert_eq!(statuses(&output), ["InProgress", "Completed"]);
    let [failed, checked] = [0, 1].map(|row| &output["invalidations"][row]["lastError"]);
    assert_contains(failed, &["ServiceUnavailable"]);
    assert_eq!(*checked, Value::Null);
}

#[tokio::test]
async fn an_invalidation_may_be_unknown_just_after_its_creation_but_not_later() {
    let aws = StandIn::start().await.unwrap();
    let mut rows = json!([created(&aws, DISTRIBUTION).await]);
    rows[0]["invalidationId"] = json!("I404");
    let now = SystemTime::now();

    let output = check(&aws, &rows, now + seconds(10), 600).await.unwrap();
    assert_waits(&output);

    let output = check(&aws, &rows, now + seconds(90), 600).await.unwrap();
    assert_eq!(output["status"], "Failed");
    assert_eq!(output["error"], "InvalidationNotFound");
}

#[tokio::test]
async fn the_next_check_is_never_after_the_deadline_and_at_it_the_invalidation_has_timed_out() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(DISTRIBUTION, None);
    let rows = json!([created(&aws, DISTRIBUTION).await]);
    let now = SystemTime::now() + seconds(1000);

    let output = check(&aws, &rows, now, 3).await.unwrap();
    assert_eq!(output["waitSeconds"], 3);

    let output = check(&aws, &rows, now + seconds(3), 0).await.unwrap();
    assert_eq!(output["status"], "TimedOut");
    assert_eq!(output["waitSeconds"], 0);
    assert_eq!(output["error"], "InvalidationTimedOut");
    let parts = [DISTRIBUTION, "I0000000000001", "after 1003 s"];
    assert_contains(&output["cause"], &parts);
}

#[tokio::test]
async fn an_unknown_status_is_in_progress_and_says_so() {
    let aws = StandIn::start().await.unwrap();
    let rows = json!([created(&aws, DISTRIBUTION).await]);
    let shown = Fault::Status("Archiving".to_owned());
    aws.inject(GetInvalidation, DISTRIBUTION, 2, shown);
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, 600).await.unwrap();
    assert_eq!(statuses(&output), ["InProgress"]);
    let row = &output["invalidations"][0];
    assert_contains(&row["lastError"], &["Archiving"]);

    // CloudFront returned a status, so the status is not unknown.
    let output = check(&aws, &rows, now, 0).await.unwrap();
    assert_eq!(output["status"], "TimedOut");
}

#[tokio::test]
async fn a_failed_last_status_check_is_a_failure_and_no_timeout() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(OTHER, None);
    let rows = json!([
        created(&aws, DISTRIBUTION).await,
        created(&aws, OTHER).await
    ]);
    let unavailable = Fault::new("ServiceUnavailable", 503, "Slow down.");
    aws.inject(GetInvalidation, DISTRIBUTION, 1, unavailable);

    let output = check(&aws, &rows, SystemTime::now(), 0).await.unwrap();

    assert_eq!(statuses(&output), ["Failed", "TimedOut"]);
    assert_eq!(output["status"], "Failed");
    assert_eq!(output["error"], "InvalidationStatusUnknown");
    let (one, other) = (
        [DISTRIBUTION, "ServiceUnavailable"],
        [OTHER, "still in progress"],
    );
    let cause = &output["cause"];
    assert_contains(cause, &["2 of 2 invalidations"]);
    assert_contains(cause, &one);
    assert_contains(cause, &other);
}

#[tokio::test]
async fn one_that_failed_does_not_stop_the_others_and_decides_at_the_end() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(OTHER, None);
    let denied = Fault::new("AccessDenied", 403, "No.");
    aws.inject(GetInvalidation, DISTRIBUTION, 1, denied);
    let rows = json!([
        failed("InvalidInput", "the path is invalid"),
        created(&aws, DISTRIBUTION).await,
        created(&aws, OTHER).await,
    ]);
    // IAM's changes take some seconds to apply.
    let now = SystemTime::now() + Duration::from_mins(1);

    let output = check(&aws, &rows, now, 600).await.unwrap();
    assert_waits(&output);
    assert_eq!(statuses(&output), ["Failed", "Failed", "InProgress"]);

    aws.invalidations_take(OTHER, Some(Duration::ZERO));
    let rows = &output["invalidations"];
    let output = check(&aws, rows, now, 600).await.unwrap();
    assert_eq!(statuses(&output), ["Failed", "Failed", "Completed"]);
    assert_eq!(output["status"], "Failed");
    assert_eq!(output["error"], "MultipleErrors");
    let cause = &output["cause"];
    assert_contains(cause, &["2 of 3 invalidations"]);
    assert_contains(cause, &["the path is invalid", "permissions boundary"]);
    assert!(!cause.as_str().unwrap().contains(OTHER), "{cause}");
}

#[tokio::test]
async fn fifty_long_causes_make_one_that_step_functions_accepts() {
    let aws = StandIn::start().await.unwrap();
    let rows = json!(vec![failed("AccessDenied", &"x".repeat(2_000)); 50]);

    let output = check(&aws, &rows, SystemTime::now(), 0).await.unwrap();

    assert_eq!(output["error"], "AccessDenied");
    assert!(output["cause"].as_str().unwrap().len() < 32_768 / 2);
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn an_invalidation_that_completes_at_the_deadline_is_completed() {
    let aws = StandIn::start().await.unwrap();
    let rows = json!([created(&aws, DISTRIBUTION).await]);

    let output = check(&aws, &rows, SystemTime::now(), 0).await.unwrap();

    assert_eq!(output["status"], "Completed");
}

#[tokio::test]
async fn what_is_not_retryable_is_a_failed_row_with_a_name_of_its_own() {
    for (code, status, name) in [
        ("AccessDenied", 403, "AccessDenied"),
        ("NoSuchDistribution", 404, "InvalidationNotFound"),
        ("InvalidArgument", 400, "CloudFrontRejected"),
    ] {
        let aws = StandIn::start().await.unwrap();
        let rows = json!([created(&aws, DISTRIBUTION).await]);
        let fault = Fault::new(code, status, "No.");
        aws.inject(GetInvalidation, DISTRIBUTION, 1, fault);

        // When CloudFront should know the invalidation.
        let later = SystemTime::now() + seconds(120);
        let output = check(&aws, &rows, later, 600).await.unwrap();

        assert_eq!(output["invalidations"][0]["error"], name);
        assert_eq!(output["error"], name);
    }
}

#[tokio::test]
async fn no_invalidations_are_never_completed() {
    let aws = StandIn::start().await.unwrap();

    let checked = check(&aws, &json!([]), SystemTime::now(), 600).await;

    let error = checked.unwrap_err();
    assert_eq!(error.error_type, "InvalidInput");
    assert_contains(&json!(error.error_message), &["`invalidations`"]);
}
