//! The handler with responses made here. What is requested, and over which connections, the end-to-end tests try.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use verify_edge::{client::Response, handle, settings::Settings};

const NOW: Duration = Duration::from_secs(1_790_000_060);
/// A minute before.
const CREATED: &str = "2026-09-21T14:13:20Z";
const LATER: &str = "2026-09-21T14:50:00Z";

fn row(id: &str, created_at: &str) -> Value {
    json!({
        "status": "Completed",
        "distributionId": id,
        "invalidationId": "I1",
        "pathCount": 1,
        "createdAt": created_at,
        "elapsedSeconds": 10,
    })
}

fn event(attempt: usize, invalidated_again: bool) -> Value {
    json!({
        "executionName": "d-1-ab",
        "invalidations": [row("E1WEBSITE00001", CREATED), row("E2IMAGES000002", LATER)],
        "attempt": attempt,
        "invalidatedAgain": invalidated_again,
        "deadline": "2099-12-31T23:59:59Z",
    })
}

fn response(age: u64) -> Response {
    Response {
        status: 200,
        age: Some(age),
        x_cache: Some("Hit from cloudfront".to_owned()),
        pop: Some("FRA56-P1".to_owned()),
        ..Response::default()
    }
}

/// Requests `/a?token=1` and `/b`, which have objects of these ages; returns what Lambda would return.
async fn invoke(ages: [u64; 2], event: Value) -> Result<Value, Diagnostic> {
    let settings = Settings::parse(|variable| {
        let urls = "https://www.example.com/a?token=1,https://www.example.com/b";
        (variable == "VERIFY_URLS").then(|| urls.to_owned())
    });
    let get = async |url: &verify_edge::url::Url, _: Option<&_>| {
        let [of_a, of_b] = ages;
        Ok(response(if url.uri().path() == "/a" { of_a } else { of_b }))
    };
    let now = SystemTime::UNIX_EPOCH + NOW;
    Ok(json!(handle(get, &settings, event, now).await?))
}

#[tokio::test]
async fn fresh_urls_are_shown_without_their_query_strings() {
    let output = invoke([0, 65], event(0, false)).await.unwrap();

    assert_eq!(output["status"], "Fresh");
    let url = |url: &str, age: u64| {
        let response = json!({ "status": 200, "age": age, "xCache": "Hit from cloudfront", "pop": "FRA56-P1" });
        json!({ "url": url, "outcome": "Fresh", "responses": [response, response, response] })
    };
    let expected = [
        url("https://www.example.com/a", 0),
        url("https://www.example.com/b", 65),
    ];
    assert_eq!(output["urls"], json!(expected));
    assert!(!output.to_string().contains("token"));
}

#[tokio::test]
async fn a_stale_url_is_requested_again_then_invalidated_once_and_then_an_error() {
    for (attempt, invalidated_again, status, wait) in [
        (0, false, "CheckAgain", 5),
        (1, false, "CheckAgain", 10),
        (2, false, "InvalidateAgain", 0),
        (0, true, "CheckAgain", 5),
        (2, true, "Stale", 0),
    ] {
        let output = invoke([5000, 0], event(attempt, invalidated_again)).await;

        let output = output.unwrap();
        assert_eq!(output["status"], status);
        assert_eq!(output["waitSeconds"], wait);
        assert_eq!(output["attempt"], attempt + 1);
        let again = |id: &str| json!({ "distributionId": id, "paths": ["/a*"] });
        let expected = match status {
            "InvalidateAgain" => json!([again("E1WEBSITE00001"), again("E2IMAGES000002")]),
            _ => json!([]),
        };
        assert_eq!(output["again"], expected);
        let (error, cause) = (&output["error"], output["cause"].as_str().unwrap());
        assert_eq!(error == "EdgeStale", status == "Stale");
        assert_eq!(
            cause.contains("https://www.example.com/a is stale"),
            status == "Stale"
        );
    }
}

#[tokio::test]
async fn nothing_is_repeated_after_the_deadline() {
    let mut event = event(0, false);
    event["deadline"] = CREATED.into();

    let output = invoke([5000, 0], event).await.unwrap();

    assert_eq!(output["status"], "Stale");
    assert!(output["cause"].as_str().unwrap().contains("MaxWaitSeconds"));
}

#[tokio::test]
async fn an_invalid_input_and_invalid_settings_are_errors() {
    let error = invoke([0, 0], json!({})).await.unwrap_err();
    assert_eq!(error.error_type, "InvalidInput");
    let settings = Settings::parse(|variable| {
        let value = match variable {
            "VERIFY_URLS" => "https://www.example.com/,http://www.example.com/?token=1",
            _ => "two words",
        };
        Some(value.to_owned())
    });
    let get = async |_: &_, _: Option<&_>| Ok(response(0));
    let now = SystemTime::now();
    let error = handle(get, &settings, event(0, false), now).await;
    let error = Diagnostic::from(error.unwrap_err());
    assert_eq!(error.error_type, "InvalidSettings");
    for part in ["VERIFY_URLS", "http://www.example.com/", "VERIFY_HEADER"] {
        assert!(error.error_message.contains(part), "{error:?}");
    }
    assert!(!error.error_message.contains("token"), "{error:?}");
}
