//! The handler against the CloudFront stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::{
    Client,
    types::{InvalidationBatch, Paths},
};
use aws_smithy_types::{DateTime, date_time::Format};
use check_invalidation::{Error, Output, Status, handle};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::invalidation::Invalidation;
use stand_in::{Fault, Operation, Request, StandIn};

const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
const OTHER: &str = "E1WEBSITE00001";

/// A row for an invalidation that CloudFront has.
async fn accepted(aws: &StandIn, distribution: &str) -> Value {
    let paths = Paths::builder().quantity(1).items("/*").build().unwrap();
    let batch = InvalidationBatch::builder()
        .caller_reference("d-A1B2C3D4E")
        .paths(paths)
        .build()
        .unwrap();
    let created = Client::new(&aws.client_config())
        .create_invalidation()
        .distribution_id(distribution)
        .invalidation_batch(batch)
        .send()
        .await
        .unwrap();
    row(
        distribution,
        created.invalidation().unwrap().id(),
        SystemTime::now(),
    )
}

fn row(distribution: &str, invalidation: &str, created: SystemTime) -> Value {
    json!({
        "distributionId": distribution,
        "invalidationId": invalidation,
        "pathCount": 1,
        "createdAt": text(created),
        "status": "InProgress",
        "elapsedSeconds": 0,
    })
}

fn text(time: SystemTime) -> String {
    DateTime::from(time).fmt(Format::DateTime).unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

async fn check(
    aws: &StandIn,
    rows: &[Value],
    now: SystemTime,
    deadline: SystemTime,
) -> Result<Output, Error> {
    let input = json!({ "invalidations": rows, "deadline": text(deadline) });
    handle(&Client::new(&aws.client_config()), input, now).await
}

fn rows_of(output: &Output) -> Vec<Value> {
    let rows = output.invalidations.iter();
    rows.map(|row: &Invalidation| serde_json::to_value(row).unwrap())
        .collect()
}

fn statuses(output: &Output) -> Vec<String> {
    let rows = rows_of(output);
    rows.iter().map(|row| text_at(row, "status")).collect()
}

fn text_at(row: &Value, field: &str) -> String {
    row[field].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn completed_needs_every_invalidation_completed() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(OTHER, None);
    let rows = [
        accepted(&aws, DISTRIBUTION).await,
        accepted(&aws, OTHER).await,
    ];
    let now = SystemTime::now() + seconds(30);

    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

    assert_eq!(output.status, Status::InProgress);
    assert_eq!(statuses(&output), ["Completed", "InProgress"]);
    assert!(output.wait_seconds > 0, "{output:?}");

    aws.invalidations_take(OTHER, Some(Duration::ZERO));
    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

    assert_eq!(output.status, Status::Completed);
    assert_eq!(output.wait_seconds, 0);
    for row in rows_of(&output) {
        assert_eq!(row["elapsedSeconds"], 30, "{output:?}");
    }
}

#[tokio::test]
async fn a_tenant_is_checked_by_an_operation_of_its_own() {
    let aws = StandIn::start().await.unwrap();
    let mut row = row("", "I404", SystemTime::UNIX_EPOCH);
    row.as_object_mut().unwrap().remove("distributionId");
    row["distributionTenantId"] = json!("dt_1");
    let now = SystemTime::now();

    let output = check(&aws, &[row], now, now + seconds(600)).await.unwrap();

    let [row] = &rows_of(&output)[..] else {
        panic!("{output:?}");
    };
    assert_eq!(row["distributionTenantId"], "dt_1");
    assert_eq!(row["error"], "InvalidationNotFound");
    assert!(
        text_at(row, "cause").contains("distribution tenant dt_1"),
        "{row}"
    );
    let operations: Vec<_> = aws.calls().iter().map(|call| call.operation).collect();
    assert_eq!(
        operations,
        [Operation::GetInvalidationForDistributionTenant]
    );
}

#[tokio::test]
async fn a_completed_invalidation_is_not_checked_again() {
    let aws = StandIn::start().await.unwrap();
    let mut done = accepted(&aws, DISTRIBUTION).await;
    done["status"] = json!("Completed");
    let pending = accepted(&aws, OTHER).await;
    let pending_id = pending["invalidationId"].as_str().unwrap().to_owned();
    let now = SystemTime::now();

    check(&aws, &[done, pending], now, now + seconds(600))
        .await
        .unwrap();

    let checks: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.operation == Operation::GetInvalidation)
        .map(|call| (call.subject, call.request))
        .collect();
    assert_eq!(
        checks,
        [(OTHER.to_owned(), Request::Invalidation(pending_id))]
    );
}

#[tokio::test]
async fn a_failed_status_check_is_recorded_and_the_others_count() {
    let aws = StandIn::start().await.unwrap();
    let rows = [
        accepted(&aws, DISTRIBUTION).await,
        accepted(&aws, OTHER).await,
    ];
    let unavailable = Fault::new("ServiceUnavailable", 503, "Slow down.");
    aws.inject(Operation::GetInvalidation, DISTRIBUTION, 1, unavailable);
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

    assert_eq!(output.status, Status::InProgress);
    assert_eq!(statuses(&output), ["InProgress", "Completed"]);
    let last_error = text_at(&rows_of(&output)[0], "lastError");
    assert!(last_error.contains("ServiceUnavailable"), "{last_error}");
    assert_eq!(rows_of(&output)[1]["lastError"], Value::Null);
}

#[tokio::test]
async fn an_invalidation_may_be_unknown_just_after_its_creation_but_not_later() {
    let aws = StandIn::start().await.unwrap();
    let created = SystemTime::now();
    let rows = [row(DISTRIBUTION, "I404", created)];
    let deadline = created + seconds(600);

    let output = check(&aws, &rows, created + seconds(10), deadline)
        .await
        .unwrap();
    assert_eq!(output.status, Status::InProgress);

    let output = check(&aws, &rows, created + seconds(90), deadline)
        .await
        .unwrap();
    assert_eq!(output.status, Status::Failed);
    assert_eq!(output.error.as_deref(), Some("InvalidationNotFound"));
}

#[tokio::test]
async fn the_next_check_is_never_after_the_deadline_and_at_it_the_invalidation_has_timed_out() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(DISTRIBUTION, None);
    let rows = [accepted(&aws, DISTRIBUTION).await];
    let now = SystemTime::now() + seconds(1000);
    let deadline = now + seconds(3);

    let output = check(&aws, &rows, now, deadline).await.unwrap();
    assert_eq!(output.wait_seconds, 3);

    let output = check(&aws, &rows, deadline, deadline).await.unwrap();
    assert_eq!(output.status, Status::TimedOut);
    assert_eq!(output.wait_seconds, 0);
    assert_eq!(output.error.as_deref(), Some("InvalidationTimedOut"));
    let cause = output.cause.unwrap();
    for part in [DISTRIBUTION, "I0000000000001", "after 1003 s"] {
        assert!(cause.contains(part), "{cause}");
    }
}

#[tokio::test]
async fn an_unknown_status_is_in_progress_and_says_so() {
    let aws = StandIn::start().await.unwrap();
    let rows = [accepted(&aws, DISTRIBUTION).await];
    let shown = Fault::Status("Archiving".to_owned());
    aws.inject(Operation::GetInvalidation, DISTRIBUTION, 2, shown);
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();
    assert_eq!(statuses(&output), ["InProgress"]);
    let last_error = text_at(&rows_of(&output)[0], "lastError");
    assert!(last_error.contains("Archiving"), "{last_error}");

    // CloudFront returned a status, so the status is not unknown.
    let output = check(&aws, &rows, now, now).await.unwrap();
    assert_eq!(output.status, Status::TimedOut);
}

#[tokio::test]
async fn a_failed_last_status_check_is_a_failure_and_no_timeout() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(OTHER, None);
    let rows = [
        accepted(&aws, DISTRIBUTION).await,
        accepted(&aws, OTHER).await,
    ];
    let unavailable = Fault::new("ServiceUnavailable", 503, "Slow down.");
    aws.inject(Operation::GetInvalidation, DISTRIBUTION, 1, unavailable);
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now).await.unwrap();

    assert_eq!(statuses(&output), ["Failed", "TimedOut"]);
    assert_eq!(output.status, Status::Failed);
    assert_eq!(output.error.as_deref(), Some("InvalidationStatusUnknown"));
    let cause = output.cause.unwrap();
    for part in [
        "2 of 2 invalidations",
        DISTRIBUTION,
        "ServiceUnavailable",
        OTHER,
        "still in progress",
    ] {
        assert!(cause.contains(part), "{part} is not in {cause}");
    }
}

#[tokio::test]
async fn one_that_failed_does_not_stop_the_others_and_decides_at_the_end() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(OTHER, None);
    let failed = json!({
        "status": "Failed",
        "distributionId": "not-an-id",
        "pathCount": 1,
        "error": "InvalidInput",
        "cause": "the path is invalid",
    });
    let denied = Fault::new("AccessDenied", 403, "No.");
    aws.inject(Operation::GetInvalidation, DISTRIBUTION, 1, denied);
    let rows = [
        failed,
        accepted(&aws, DISTRIBUTION).await,
        accepted(&aws, OTHER).await,
    ];
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();
    assert_eq!(statuses(&output), ["Failed", "Failed", "InProgress"]);
    assert_eq!(output.status, Status::InProgress);
    assert_eq!(output.error, None);
    assert!(output.wait_seconds > 0, "{output:?}");

    aws.invalidations_take(OTHER, Some(Duration::ZERO));
    let rows = rows_of(&output);
    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();
    assert_eq!(statuses(&output), ["Failed", "Failed", "Completed"]);
    assert_eq!(output.status, Status::Failed);
    assert_eq!(output.error.as_deref(), Some("MultipleErrors"));
    let cause = output.cause.unwrap();
    for part in [
        "2 of 3 invalidations",
        "the path is invalid",
        "permissions boundary",
    ] {
        assert!(cause.contains(part), "{part} is not in {cause}");
    }
    assert!(!cause.contains(OTHER), "{cause}");
}

#[tokio::test]
async fn fifty_long_causes_make_one_that_step_functions_accepts() {
    let aws = StandIn::start().await.unwrap();
    let failed = json!({
        "status": "Failed",
        "distributionId": DISTRIBUTION,
        "pathCount": 1,
        "error": "AccessDenied",
        "cause": "x".repeat(2_000),
    });
    let now = SystemTime::now();

    let output = check(&aws, &vec![failed; 50], now, now).await.unwrap();

    assert_eq!(output.error.as_deref(), Some("AccessDenied"));
    assert!(output.cause.unwrap().len() < 32_768 / 2);
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn an_invalidation_that_completes_at_the_deadline_is_completed() {
    let aws = StandIn::start().await.unwrap();
    let rows = [accepted(&aws, DISTRIBUTION).await];
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now).await.unwrap();

    assert_eq!(output.status, Status::Completed);
}

#[tokio::test]
async fn what_is_not_retryable_is_a_failed_row_with_a_name_of_its_own() {
    for (code, status, name) in [
        ("AccessDenied", 403, "AccessDenied"),
        ("NoSuchDistribution", 404, "InvalidationNotFound"),
        ("InvalidArgument", 400, "CloudFrontRejected"),
    ] {
        let aws = StandIn::start().await.unwrap();
        let rows = [accepted(&aws, DISTRIBUTION).await];
        aws.inject(
            Operation::GetInvalidation,
            DISTRIBUTION,
            1,
            Fault::new(code, status, "No."),
        );
        let now = SystemTime::now();

        let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

        assert_eq!(rows_of(&output)[0]["error"], name);
        assert_eq!(output.error.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn no_invalidations_are_never_completed() {
    let aws = StandIn::start().await.unwrap();
    let now = SystemTime::now();

    let error = check(&aws, &[], now, now + seconds(600)).await.unwrap_err();

    let diagnostic = Diagnostic::from(error);
    assert_eq!(diagnostic.error_type, "InvalidInput");
    assert!(
        diagnostic.error_message.contains("`invalidations`"),
        "{diagnostic:?}"
    );
}
