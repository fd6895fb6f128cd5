//! The handler against the CloudFront stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::{
    Client,
    types::{InvalidationBatch, Paths},
};
use aws_smithy_types::{DateTime, date_time::Format};
use check_invalidation::{Error, Output, handle};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::invalidation::Status;
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
        "seconds": 0,
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

#[tokio::test]
async fn completed_needs_every_invalidation_completed() {
    let aws = StandIn::start().await.unwrap();
    aws.purge_takes(OTHER, None);
    let rows = [
        accepted(&aws, DISTRIBUTION).await,
        accepted(&aws, OTHER).await,
    ];
    let now = SystemTime::now() + seconds(30);

    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

    assert_eq!(output.status, Status::InProgress);
    let statuses: Vec<_> = output.invalidations.iter().map(|i| i.status).collect();
    assert_eq!(statuses, [Status::Completed, Status::InProgress]);
    assert!(output.wait_seconds > 0, "{output:?}");

    aws.purge_takes(OTHER, Some(Duration::ZERO));
    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

    assert_eq!(output.status, Status::Completed);
    assert_eq!(output.wait_seconds, 0);
    assert!(
        output.invalidations.iter().all(|i| i.seconds == 30),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_completed_invalidation_is_not_asked_about_again() {
    let aws = StandIn::start().await.unwrap();
    let mut done = accepted(&aws, DISTRIBUTION).await;
    done["status"] = json!("Completed");
    let pending = accepted(&aws, OTHER).await;
    let pending_id = pending["invalidationId"].as_str().unwrap().to_owned();
    let now = SystemTime::now();

    check(&aws, &[done, pending], now, now + seconds(600))
        .await
        .unwrap();

    let looks: Vec<_> = aws
        .calls()
        .into_iter()
        .filter(|call| call.operation == Operation::GetInvalidation)
        .map(|call| (call.subject, call.request))
        .collect();
    assert_eq!(
        looks,
        [(OTHER.to_owned(), Request::Invalidation(pending_id))]
    );
}

#[tokio::test]
async fn a_look_that_is_not_answered_is_noted_and_the_others_count() {
    let aws = StandIn::start().await.unwrap();
    let rows = [
        accepted(&aws, DISTRIBUTION).await,
        accepted(&aws, OTHER).await,
    ];
    let unavailable = Fault::new("ServiceUnavailable", 503, "Slow down.");
    aws.plan(Operation::GetInvalidation, DISTRIBUTION, 1, unavailable);
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now + seconds(600)).await.unwrap();

    assert_eq!(output.status, Status::InProgress);
    let note = output.invalidations[0].note.as_deref().unwrap();
    assert!(note.contains("ServiceUnavailable"), "{note}");
    assert_eq!(output.invalidations[1].status, Status::Completed);
    assert_eq!(output.invalidations[1].note, None);
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

    let error = check(&aws, &rows, created + seconds(90), deadline)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::InvalidationNotFound { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_next_look_is_never_after_the_deadline_and_at_it_the_purge_is_overdue() {
    let aws = StandIn::start().await.unwrap();
    aws.purge_takes(DISTRIBUTION, None);
    let rows = [accepted(&aws, DISTRIBUTION).await];
    let now = SystemTime::now() + seconds(1000);
    let deadline = now + seconds(3);

    let output = check(&aws, &rows, now, deadline).await.unwrap();
    assert_eq!(output.wait_seconds, 3);

    let error = check(&aws, &rows, deadline, deadline).await.unwrap_err();
    let diagnostic = Diagnostic::from(error);
    assert_eq!(diagnostic.error_type, "PurgeOverdue");
    for part in [DISTRIBUTION, "I0000000000001", "after 1003 s"] {
        assert!(diagnostic.error_message.contains(part), "{diagnostic:?}");
    }
}

#[tokio::test]
async fn a_purge_that_completes_at_the_deadline_is_completed() {
    let aws = StandIn::start().await.unwrap();
    let rows = [accepted(&aws, DISTRIBUTION).await];
    let now = SystemTime::now();

    let output = check(&aws, &rows, now, now).await.unwrap();

    assert_eq!(output.status, Status::Completed);
}

#[tokio::test]
async fn what_will_not_pass_has_a_name_of_its_own() {
    for (code, status, name) in [
        ("AccessDenied", 403, "AccessDenied"),
        ("NoSuchDistribution", 404, "InvalidationNotFound"),
        ("InvalidArgument", 400, "CloudFrontRefused"),
    ] {
        let aws = StandIn::start().await.unwrap();
        let rows = [accepted(&aws, DISTRIBUTION).await];
        aws.plan(
            Operation::GetInvalidation,
            DISTRIBUTION,
            1,
            Fault::new(code, status, "No."),
        );
        let now = SystemTime::now();

        let error = check(&aws, &rows, now, now + seconds(600))
            .await
            .unwrap_err();

        assert_eq!(Diagnostic::from(error).error_type, name);
    }
}

#[tokio::test]
async fn no_invalidation_is_never_a_completed_purge() {
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
