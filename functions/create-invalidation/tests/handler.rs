//! The handler against the stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::Client;
use create_invalidation::handle;
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use stand_in::{
    ConnectionFault, Fault,
    Operation::{
        CreateInvalidation, CreateInvalidationForDistributionTenant, GetDistributionConfig,
        GetDistributionTenant, GetInvalidationForDistributionTenant, ListInvalidations,
        ListInvalidationsForDistributionTenant,
    },
    StandIn,
};

const DISTRIBUTION: &str = "E2QWRUHAPOMQZL";
const REFERENCE: &str = "d-A1B2C3D4E-0123456789ab-0";

fn input() -> Value {
    json!({
        "batch": { "distributionId": DISTRIBUTION, "paths": ["/b/*", "/a"] },
        "executionStartTime": "2026-11-23T12:00:00.000Z",
        "callerReference": REFERENCE,
        "deadline": "2099-01-01T00:00:00.000Z",
    })
}

/// The input with another value in this field, which may be one of the batch's.
fn input_with(field: &str, value: Value) -> Value {
    let mut input = input();
    if ["distributionId", "paths"].contains(&field) {
        input["batch"][field] = value;
    } else {
        input[field] = value;
    }
    input
}

/// Returns what Lambda would return.
async fn create(aws: &StandIn, input: Value) -> Result<Value, Diagnostic> {
    create_at(SystemTime::now(), aws, input).await
}

async fn create_at(now: SystemTime, aws: &StandIn, input: Value) -> Result<Value, Diagnostic> {
    let client = Client::new(&aws.client_config());
    Ok(json!(handle(&client, input, now).await?))
}

async fn fails_with(fault: Fault) -> Diagnostic {
    let aws = StandIn::start().await.unwrap();
    aws.inject(CreateInvalidation, DISTRIBUTION, 1, fault);
    create(&aws, input()).await.unwrap_err()
}

#[track_caller]
fn assert_error(error: &Diagnostic, name: &str, parts: &[&str]) {
    assert_eq!(error.error_type, name, "{error:?}");
    for part in parts {
        let message = &error.error_message;
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[tokio::test]
async fn sends_the_sorted_paths_with_the_caller_reference() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(DISTRIBUTION, None);

    let output = create(&aws, input()).await.unwrap();

    assert_eq!(aws.operations(), [CreateInvalidation]);
    let created = &aws.invalidations(DISTRIBUTION)[0];
    assert_eq!(created.paths, ["/a", "/b/*"]);
    assert_eq!(created.caller_reference, REFERENCE);
    assert_eq!(output["invalidation"]["distributionId"], DISTRIBUTION);
    assert_eq!(output["invalidation"]["invalidationId"], created.id);
    assert_eq!(output["invalidation"]["pathCount"], 2);
    assert!(output["waitSeconds"].as_u64() > Some(0), "{output}");
}

#[tokio::test]
async fn tags_are_invalidated_only_if_the_distribution_has_a_cache_tag_header() {
    let aws = StandIn::start().await.unwrap();
    let input = input_with("paths", json!(["#Product-42", "/a", "#product-42"]));

    let output = create(&aws, input.clone()).await.unwrap();

    let expected = [GetDistributionConfig, CreateInvalidation];
    assert_eq!(aws.operations(), expected);
    assert_eq!(output["invalidation"]["pathCount"], 2);
    let created = &aws.invalidations(DISTRIBUTION)[0];
    assert_eq!(created.paths, ["/a", "#product-42"]);

    let aws = StandIn::start().await.unwrap();
    aws.set_behavior(DISTRIBUTION, |b| b.lacks_cache_tags = true);

    let error = create(&aws, input).await.unwrap_err();

    assert_error(&error, "CacheTagsNotConfigured", &[DISTRIBUTION]);
    assert_eq!(aws.operations(), [GetDistributionConfig]);
}

#[tokio::test]
async fn a_tenant_is_invalidated_by_operations_of_its_own() {
    const TENANT: &str = "dt_2wjDZi3hD1ivOXf6rpZJO1AB";
    let aws = StandIn::start().await.unwrap();
    aws.set_behavior(TENANT, |b| b.rejects_known_caller_reference = true);
    let batch = json!({ "distributionTenantId": TENANT, "paths": ["/*", "#blog"] });
    let input = input_with("batch", batch);

    let first = create(&aws, input.clone()).await.unwrap();
    let again = create(&aws, input.clone()).await.unwrap();

    assert_eq!(first["invalidation"]["distributionTenantId"], TENANT);
    let id = "invalidationId";
    assert_eq!(first["invalidation"][id], again["invalidation"][id]);
    let created = [
        GetDistributionTenant,
        GetDistributionConfig,
        CreateInvalidationForDistributionTenant,
    ];
    let searched = [
        ListInvalidationsForDistributionTenant,
        GetInvalidationForDistributionTenant,
    ];
    let expected = [&created[..], &created, &searched].concat();
    assert_eq!(aws.operations(), expected);

    let missing = Fault::new("EntityNotFound", 404, "No.");
    aws.inject(CreateInvalidationForDistributionTenant, TENANT, 1, missing);
    let error = create(&aws, input).await.unwrap_err();
    let parts = [TENANT, "DistributionTenantIds parameter"];
    assert_error(&error, "DistributionTenantNotFound", &parts);
}

#[tokio::test]
async fn a_batch_has_one_target_and_no_unknown_field() {
    let aws = StandIn::start().await.unwrap();
    let either = "distributionId or distributionTenantId, and not both";
    let two =
        json!({ "distributionId": DISTRIBUTION, "distributionTenantId": "dt_1", "paths": ["/*"] });
    let not_a_tenant = json!({ "distributionTenantId": DISTRIBUTION, "paths": ["/*"] });
    let unknown = json!({ "distributionId": DISTRIBUTION, "paths": ["/*"], "tags": ["a"] });
    for (batch, problem) in [
        (json!({ "paths": ["/*"] }), either),
        (two, either),
        (not_a_tenant, "not the id of a distribution tenant"),
        (unknown, "unknown field `tags`"),
        (json!(DISTRIBUTION), "batch"),
    ] {
        let error = create(&aws, input_with("batch", batch)).await.unwrap_err();
        assert_error(&error, "InvalidInput", &[problem]);
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn a_denied_look_at_the_configuration_names_the_parameter() {
    let aws = StandIn::start().await.unwrap();
    let denied = Fault::new("AccessDenied", 403, "No.");
    aws.inject(GetDistributionConfig, DISTRIBUTION, 1, denied);

    let input = input_with("paths", json!(["#blog"]));
    let error = create(&aws, input).await.unwrap_err();

    let counted = "(paths: 0, of which wildcards: 0; cache tags: 1)";
    assert_error(&error, "AccessDenied", &[counted, "CacheTags or Targets"]);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_invalidation_even_if_cloudfront_rejects_it() {
    for rejects_known_caller_reference in [false, true] {
        let aws = StandIn::start().await.unwrap();
        aws.set_behavior(DISTRIBUTION, |b| {
            b.rejects_known_caller_reference = rejects_known_caller_reference;
        });
        // Ours is not the newest.
        let first = create(&aws, input()).await.unwrap();
        let other = input_with("callerReference", json!("manually"));
        create(&aws, other).await.unwrap();

        let again = create(&aws, input()).await.unwrap();

        let [first, again] =
            [first, again].map(|output| output["invalidation"]["invalidationId"].clone());
        assert_eq!(first, again);
    }
}

#[tokio::test]
async fn only_invalidations_created_since_the_execution_began_are_searched() {
    let aws = StandIn::start().await.unwrap();
    aws.set_behavior(DISTRIBUTION, |b| b.rejects_known_caller_reference = true);
    create(&aws, input()).await.unwrap();
    let mut later = input_with("executionStartTime", json!("2099-01-01T00:00:00.000Z"));
    later["deadline"] = json!("2099-01-01T00:50:00.000Z");

    let error = create(&aws, later).await.unwrap_err();

    assert_error(&error, "CallerReferenceUsed", &[REFERENCE]);
    let expected = [CreateInvalidation, CreateInvalidation, ListInvalidations];
    assert_eq!(aws.operations(), expected);
}

#[tokio::test]
async fn every_error_of_cloudfront_has_a_name() {
    for (code, status, name) in [
        // Retryable.
        ("InternalError", 500, "CloudFrontUnavailable"),
        ("InvalidationBatchAlreadyExists", 400, "CallerReferenceUsed"),
        ("ServiceUnavailable", 503, "CloudFrontUnavailable"),
        ("Throttling", 400, "CloudFrontBusy"),
        ("TooManyInvalidationsInProgress", 400, "CloudFrontBusy"),
        // Not retryable.
        ("AccessDenied", 403, "AccessDenied"),
        ("BatchTooLarge", 413, "CloudFrontRejected"),
        ("ExpiredToken", 403, "CloudFrontRejected"),
        ("InvalidArgument", 400, "CloudFrontRejected"),
        ("InvalidClientTokenId", 403, "CloudFrontRejected"),
        ("NoSuchDistribution", 404, "DistributionNotFound"),
        ("SignatureDoesNotMatch", 403, "CloudFrontRejected"),
    ] {
        let error = fails_with(Fault::new(code, status, "No.")).await;
        assert_error(&error, name, &[DISTRIBUTION, code]);
    }
    let closed = Fault::Before(ConnectionFault::Closed);
    assert_error(&fails_with(closed).await, "CloudFrontUnavailable", &[]);
}

#[tokio::test]
async fn an_error_that_is_not_retryable_says_what_to_do() {
    let expired = "Signature expired: 1 is now earlier than 2.";
    for (code, message, advice) in [
        ("AccessDenied", "No.", "permissions boundary"),
        ("BatchTooLarge", "No.", "use fewer"),
        ("ExpiredToken", "No.", "credentials have expired"),
        ("InvalidArgument", "No.", "Targets parameter"),
        ("InvalidClientTokenId", "No.", "role was deleted"),
        ("NoSuchDistribution", "No.", "DistributionIds parameter"),
        ("NoSuchDistribution", "No.", "multi-tenant"),
        ("SignatureDoesNotMatch", expired, "check the clock"),
        ("SignatureDoesNotMatch", "No.", "API reference"),
    ] {
        let error = fails_with(Fault::new(code, 400, message)).await;
        let found = error.error_message;
        assert!(found.contains(advice), "{advice:?} is not in {found:?}");
    }
}

#[tokio::test]
async fn nothing_is_created_after_the_deadline() {
    let aws = StandIn::start().await.unwrap();
    let late = input_with("deadline", json!("1970-01-01T00:01:00Z"));
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_mins(1);

    let error = create_at(deadline, &aws, late).await.unwrap_err();

    // If the batch alone exceeds the quotas, a new execution with the same input fails, too.
    let advice = ["paths: 2, of which wildcards: 1", "use fewer paths"];
    assert_error(&error, "InvalidationNotCreated", &advice);
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn an_invalid_field_of_the_input_is_named() {
    let aws = StandIn::start().await.unwrap();
    for (field, value, problem) in [
        ("distributionId", json!("not-an-id"), "distribution id"),
        ("distributionId", json!(7), "string"),
        ("paths", json!([]), "empty"),
        ("paths", json!(["index.html"]), "start with /"),
        ("paths", json!(["/a*b"]), "last character"),
        ("paths", json!(["/a b"]), "percent-encoded"),
        ("paths", json!(["/a~b"]), "\"/a*\""),
        ("paths", json!(["/%2A"]), "invalidate nothing"),
        ("callerReference", json!(" "), "empty"),
        ("deadline", json!("tomorrow"), "2026-11-23T19:30:00Z"),
    ] {
        let error = create(&aws, input_with(field, value)).await.unwrap_err();
        assert_error(&error, "InvalidInput", &[field, problem]);
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn no_error_is_too_long_for_a_cause_that_a_catch_can_parse() {
    let aws = StandIn::start().await.unwrap();
    let long = "\u{1f4a5}".repeat(100_000);
    let denied = Fault::new("AccessDenied", 403, &long);
    aws.inject(CreateInvalidation, DISTRIBUTION, 1, denied);
    for input in [
        input(),
        input_with("paths", json!([format!("/{long}")])),
        input_with("distributionId", json!(long)),
    ] {
        let error = create(&aws, input).await.unwrap_err();
        let cause = json!({ "errorMessage": error.error_message }).to_string();
        assert!(cause.len() < 32_768 / 2, "{}", cause.len());
    }
}
