//! The handler against the CloudFront stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_sdk_cloudfront::Client;
use create_invalidation::{Error, Output, handle};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::invalidation::{Created, Invalidation};
use stand_in::{Behavior, Call, Fault, Operation, Request, StandIn};

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

async fn create(aws: &StandIn, input: Value) -> Result<Output, Error> {
    let client = Client::new(&aws.client_config());
    handle(&client, input, SystemTime::now()).await
}

/// The row of an invalidation that CloudFront has.
fn created(output: &Output) -> &Created {
    match &output.invalidation {
        Invalidation::InProgress(created) | Invalidation::Completed(created) => created,
        other => panic!("{other:?}"),
    }
}

async fn fails_with(fault: Fault) -> Diagnostic {
    let aws = StandIn::start().await.unwrap();
    aws.inject(Operation::CreateInvalidation, DISTRIBUTION, 1, fault);
    create(&aws, input()).await.unwrap_err().into()
}

#[tokio::test]
async fn sends_the_sorted_paths_with_the_caller_reference() {
    let aws = StandIn::start().await.unwrap();
    aws.invalidations_take(DISTRIBUTION, None);

    let output = create(&aws, input()).await.unwrap();

    let calls = aws.calls();
    assert_eq!(
        calls,
        [Call {
            operation: Operation::CreateInvalidation,
            subject: DISTRIBUTION.into(),
            caller_reference: Some(REFERENCE.into()),
            request: Request::Paths(vec!["/a".into(), "/b/*".into()]),
            access_key: Some("stand-in".into()),
            error: None,
            at: calls[0].at,
        }]
    );
    let created = created(&output);
    assert_eq!(created.target.id(), DISTRIBUTION);
    assert_eq!(created.path_count, 2);
    assert!(output.wait_seconds > 0, "{output:?}");
}

#[tokio::test]
async fn tags_are_invalidated_only_if_the_distribution_has_a_cache_tag_header() {
    for lacks_cache_tags in [false, true] {
        let aws = StandIn::start().await.unwrap();
        let behavior = Behavior {
            lacks_cache_tags,
            ..Behavior::default()
        };
        aws.set_behavior(DISTRIBUTION, behavior);
        let mut input = input();
        input["batch"]["paths"] = json!(["#Product-42", "/a", "#product-42"]);

        let result = create(&aws, input).await;

        let calls: Vec<_> = aws.calls().into_iter().map(|call| call.operation).collect();
        assert_eq!(calls[0], Operation::GetDistributionConfig);
        if lacks_cache_tags {
            let error: Diagnostic = result.unwrap_err().into();
            assert_eq!(error.error_type, "CacheTagsNotConfigured");
            assert!(error.error_message.contains(DISTRIBUTION), "{error:?}");
            assert_eq!(calls.len(), 1);
        } else {
            assert_eq!(created(&result.unwrap()).path_count, 2);
            let paths = aws.calls().pop().unwrap().request;
            assert_eq!(
                paths,
                Request::Paths(vec!["/a".into(), "#product-42".into()])
            );
        }
    }
}

#[tokio::test]
async fn a_denied_look_at_the_configuration_names_the_parameter() {
    let aws = StandIn::start().await.unwrap();
    let denied = Fault::new("AccessDenied", 403, "No.");
    aws.inject(Operation::GetDistributionConfig, DISTRIBUTION, 1, denied);
    let mut input = input();
    input["batch"]["paths"] = json!(["#blog"]);

    let error: Diagnostic = create(&aws, input).await.unwrap_err().into();

    assert_eq!(error.error_type, "AccessDenied");
    for part in [
        "(paths: 0, of which wildcards: 0; cache tags: 1)",
        "CacheTags or Targets parameter",
    ] {
        assert!(error.error_message.contains(part), "{error:?}");
    }
}

#[tokio::test]
async fn a_tenant_is_invalidated_by_operations_of_its_own() {
    const TENANT: &str = "dt_2wjDZi3hD1ivOXf6rpZJO1AB";
    let aws = StandIn::start().await.unwrap();
    let behavior = Behavior {
        rejects_known_caller_reference: true,
        ..Behavior::default()
    };
    aws.set_behavior(TENANT, behavior);
    let mut input = input();
    input["batch"] = json!({ "distributionTenantId": TENANT, "paths": ["/*", "#blog"] });

    let first = create(&aws, input.clone()).await.unwrap();
    let again = create(&aws, input.clone()).await.unwrap();

    assert_eq!(created(&first).target.id(), TENANT);
    assert_eq!(
        created(&first).invalidation_id,
        created(&again).invalidation_id
    );
    let operations: Vec<_> = aws.calls().iter().map(|call| call.operation).collect();
    let looked_at = [
        Operation::GetDistributionTenant,
        Operation::GetDistributionConfig,
        Operation::CreateInvalidationForDistributionTenant,
    ];
    let searched = [
        Operation::ListInvalidationsForDistributionTenant,
        Operation::GetInvalidationForDistributionTenant,
    ];
    assert_eq!(operations, [&looked_at[..], &looked_at, &searched].concat());

    let missing = Fault::new("EntityNotFound", 404, "No.");
    aws.inject(looked_at[2], TENANT, 1, missing);
    let error: Diagnostic = create(&aws, input).await.unwrap_err().into();
    assert_eq!(error.error_type, "DistributionTenantNotFound");
    for part in [TENANT, "DistributionTenantIds parameter"] {
        assert!(error.error_message.contains(part), "{error:?}");
    }
}

#[tokio::test]
async fn a_batch_has_one_target_and_no_unknown_field() {
    let aws = StandIn::start().await.unwrap();
    for (batch, problem) in [
        (
            json!({ "paths": ["/*"] }),
            "either distributionId or distributionTenantId",
        ),
        (
            json!({ "distributionId": DISTRIBUTION, "distributionTenantId": "dt_1", "paths": ["/*"] }),
            "either distributionId or distributionTenantId",
        ),
        (
            json!({ "distributionTenantId": DISTRIBUTION, "paths": ["/*"] }),
            "not the id of a distribution tenant",
        ),
        (
            json!({ "distributionId": DISTRIBUTION, "paths": ["/*"], "tags": ["a"] }),
            "unknown field `tags`",
        ),
        (json!(DISTRIBUTION), "batch"),
    ] {
        let mut input = input();
        input["batch"] = batch;
        let error: Diagnostic = create(&aws, input).await.unwrap_err().into();
        assert_eq!(error.error_type, "InvalidInput");
        assert!(error.error_message.contains(problem), "{error:?}");
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_invalidation_even_if_cloudfront_rejects_it() {
    for rejects_known_caller_reference in [false, true] {
        let aws = StandIn::start().await.unwrap();
        aws.set_behavior(
            DISTRIBUTION,
            Behavior {
                rejects_known_caller_reference,
                ..Behavior::default()
            },
        );
        // Ours is not the newest.
        let first = create(&aws, input()).await.unwrap();
        let mut other = input();
        other["callerReference"] = json!("manually");
        create(&aws, other).await.unwrap();

        let again = create(&aws, input()).await.unwrap();

        assert_eq!(
            created(&first).invalidation_id,
            created(&again).invalidation_id
        );
    }
}

#[tokio::test]
async fn only_invalidations_created_since_the_execution_began_are_searched() {
    let aws = StandIn::start().await.unwrap();
    let behavior = Behavior {
        rejects_known_caller_reference: true,
        ..Behavior::default()
    };
    aws.set_behavior(DISTRIBUTION, behavior);
    create(&aws, input()).await.unwrap();
    let mut later = input();
    later["executionStartTime"] = json!("2099-01-01T00:00:00.000Z");
    later["deadline"] = json!("2099-01-01T00:50:00.000Z");

    let error = create(&aws, later).await.unwrap_err();

    assert!(
        matches!(error, Error::CallerReferenceUsed { .. }),
        "{error:?}"
    );
    let operations = aws.calls().into_iter().map(|call| call.operation);
    assert!(
        !operations
            .into_iter()
            .any(|o| o == Operation::GetInvalidation)
    );
}

#[tokio::test]
async fn a_used_reference_that_no_recent_invalidation_has_is_an_error_of_its_own() {
    let aws = StandIn::start().await.unwrap();
    let used = Fault::new("InvalidationBatchAlreadyExists", 400, "It exists.");
    aws.inject(Operation::CreateInvalidation, DISTRIBUTION, 1, used);

    let error = create(&aws, input()).await.unwrap_err();

    assert!(
        matches!(&error, Error::CallerReferenceUsed { caller_reference, .. } if caller_reference == REFERENCE),
        "{error:?}"
    );
}

#[tokio::test]
async fn too_many_invalidations_in_progress_are_busy() {
    let diagnostic = fails_with(Fault::new("TooManyInvalidationsInProgress", 400, "Wait.")).await;
    assert_eq!(diagnostic.error_type, "CloudFrontBusy");
    assert!(
        diagnostic.error_message.contains(DISTRIBUTION),
        "{diagnostic:?}"
    );
}

#[tokio::test]
async fn throttling_and_server_errors_are_unavailable() {
    for fault in [
        Fault::new("Throttling", 400, "Rate exceeded"),
        Fault::new("ServiceUnavailable", 503, "Slow down."),
        Fault::new("InternalError", 500, "Oops."),
    ] {
        let diagnostic = fails_with(fault).await;
        assert_eq!(diagnostic.error_type, "CloudFrontUnavailable");
    }
}

#[tokio::test]
async fn no_response_is_unavailable() {
    let aws = StandIn::start().await.unwrap();
    let client = Client::new(&aws.client_config());
    drop(aws);
    // The server's task ends at its next turn.
    tokio::task::yield_now().await;

    let error = handle(&client, input(), SystemTime::now())
        .await
        .unwrap_err();

    assert!(
        matches!(error, Error::CloudFrontUnavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_not_retryable_has_a_name_of_its_own_and_says_what_to_do() {
    for (fault, name, advice) in [
        (
            Fault::new("AccessDenied", 403, "No."),
            "AccessDenied",
            "permissions boundary",
        ),
        (
            Fault::new("NoSuchDistribution", 404, "No."),
            "DistributionNotFound",
            "DistributionIds parameter",
        ),
        (
            Fault::new("InvalidArgument", 400, "Invalid paths."),
            "CloudFrontRejected",
            "Paths, CacheTags or Targets parameter",
        ),
        (
            Fault::new("BatchTooLarge", 413, "Too large."),
            "CloudFrontRejected",
            "use fewer",
        ),
        (
            Fault::new("NoSuchDistribution", 404, "No."),
            "DistributionNotFound",
            "multi-tenant",
        ),
        (
            Fault::new("ExpiredToken", 403, "The security token is expired."),
            "CloudFrontRejected",
            "credentials have expired",
        ),
        (
            Fault::new("InvalidClientTokenId", 403, "The token is invalid."),
            "CloudFrontRejected",
            "role was deleted",
        ),
        (
            Fault::new(
                "SignatureDoesNotMatch",
                403,
                "Signature expired: 1 is now earlier than 2.",
            ),
            "CloudFrontRejected",
            "check the clock",
        ),
        (
            Fault::new("SignatureDoesNotMatch", 403, "The signatures do not match."),
            "CloudFrontRejected",
            "API reference",
        ),
    ] {
        let diagnostic = fails_with(fault).await;
        assert_eq!(diagnostic.error_type, name);
        assert!(diagnostic.error_message.contains(advice), "{diagnostic:?}");
    }
}

#[tokio::test]
async fn nothing_is_created_after_the_deadline() {
    let aws = StandIn::start().await.unwrap();
    let client = Client::new(&aws.client_config());
    let mut late = input();
    late["deadline"] = json!("1970-01-01T00:01:00Z");
    let deadline = SystemTime::UNIX_EPOCH + Duration::from_mins(1);

    let error = handle(&client, late, deadline).await.unwrap_err();

    assert!(
        matches!(error, Error::InvalidationNotCreated { .. }),
        "{error:?}"
    );
    // If the batch alone exceeds the quotas, a new execution with the same input fails, too.
    let advice = error.to_string();
    for part in ["paths: 2, of which wildcards: 1", "use fewer paths"] {
        assert!(advice.contains(part), "{advice}");
    }
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
        let mut wrong = input();
        let is_of_the_batch = ["distributionId", "paths"].contains(&field);
        if is_of_the_batch {
            wrong["batch"][field] = value;
        } else {
            wrong[field] = value;
        }
        let diagnostic: Diagnostic = create(&aws, wrong).await.unwrap_err().into();
        assert_eq!(diagnostic.error_type, "InvalidInput");
        for part in [field, problem] {
            assert!(diagnostic.error_message.contains(part), "{diagnostic:?}");
        }
    }
    assert_eq!(aws.calls(), []);
}

#[tokio::test]
async fn no_error_is_too_long_for_a_cause_that_a_catch_can_parse() {
    let aws = StandIn::start().await.unwrap();
    let long = "\u{1f4a5}".repeat(100_000);
    let denied = Fault::new("AccessDenied", 403, &long);
    aws.inject(Operation::CreateInvalidation, DISTRIBUTION, 1, denied);
    let mut wrong_path = input();
    wrong_path["batch"]["paths"] = json!([format!("/{long}")]);
    let mut wrong_id = input();
    wrong_id["batch"]["distributionId"] = json!(long);
    for input in [input(), wrong_path, wrong_id] {
        let diagnostic: Diagnostic = create(&aws, input).await.unwrap_err().into();
        let cause = json!({ "errorMessage": diagnostic.error_message }).to_string();
        assert!(cause.len() < 32_768 / 2, "{}", cause.len());
    }
}
