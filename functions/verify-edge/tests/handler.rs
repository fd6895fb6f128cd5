//! The handler with responses made here. What is requested, and over which connections, the end-to-end tests try.

use std::{
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, SystemTime},
};

use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use verify_edge::{Status, client::Response, handle, settings::Settings, url::Url};

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

fn event(earlier: &Value) -> Value {
    json!({
        "executionName": "d-1-ab",
        "invalidations": [row("E1WEBSITE00001", CREATED), row("E2IMAGES000002", LATER)],
        "earlier": earlier,
        "deadline": "2099-12-31T23:59:59Z",
    })
}

fn first() -> Value {
    event(&json!({ "attempt": 0, "invalidatedAgain": false, "urls": [] }))
}

fn response(status: u16, age: u64) -> Response {
    Response {
        status,
        age: Some(age),
        x_cache: Some("Hit from cloudfront".to_owned()),
        pop: Some("FRA56-P1".to_owned()),
        is_of_cloudfront: true,
        ..Response::default()
    }
}

/// Requests `/a?token=1` and `/b`, which have these statuses and ages; returns what Lambda would return, and how often each was
/// requested.
async fn invoke(seen: [(u16, u64); 2], event: Value) -> (Result<Value, Diagnostic>, [u8; 2]) {
    let settings = Settings::parse(|variable| {
        let urls = "https://www.example.com/a?token=1,https://www.example.com/b";
        (variable == "VERIFY_URLS").then(|| urls.to_owned())
    });
    let requests = [const { AtomicU8::new(0) }; 2];
    let get = async |url: &Url, _: Option<&_>| {
        let index = usize::from(url.uri().path() != "/a");
        requests[index].fetch_add(1, Ordering::Relaxed);
        let (status, age) = seen[index];
        Ok(response(status, age))
    };
    let now = SystemTime::UNIX_EPOCH + NOW;
    let output = handle(get, &settings, event, now).await;
    let output = output.map(|output| json!(output)).map_err(Diagnostic::from);
    (output, requests.map(AtomicU8::into_inner))
}

const FRESH: (u16, u64) = (200, 65);
const STALE: (u16, u64) = (200, 5000);
const ERROR_PAGE: (u16, u64) = (503, 0);

#[tokio::test]
async fn fresh_urls_are_shown_without_their_query_strings() {
    let (output, requests) = invoke([FRESH, FRESH], first()).await;

    let output = output.unwrap();
    assert_eq!(requests, [3, 3]);
    assert_eq!(output["status"], "Fresh");
    let response =
        json!({ "status": 200, "age": 65, "xCache": "Hit from cloudfront", "pop": "FRA56-P1" });
    let url = |url: &str| json!({ "url": url, "outcome": "Fresh", "responses": [response, response, response] });
    let expected = ["https://www.example.com/a", "https://www.example.com/b"].map(url);
    assert_eq!(output["progress"]["urls"], json!(expected));
    assert!(!output.to_string().contains("token"));
}

/// Until its path has been invalidated and it is still stale.
#[tokio::test]
async fn a_stale_url_is_requested_again_and_no_other() {
    let mut event = first();
    for (status, wait, attempt, invalidated_again) in [
        ("CheckAgain", 5, 1, false),
        ("CheckAgain", 10, 2, false),
        ("InvalidateAgain", 0, 0, true),
        ("CheckAgain", 5, 1, true),
        ("CheckAgain", 10, 2, true),
        ("Stale", 0, 3, true),
    ] {
        let is_first = event == first();
        // What is stale, an error page does not make fresh.
        let now = if attempt == 2 { ERROR_PAGE } else { STALE };

        let (output, requests) = invoke([now, FRESH], event.clone()).await;

        let output = output.unwrap();
        assert_eq!(requests, [3, if is_first { 3 } else { 0 }]);
        assert_eq!(output["status"], status);
        assert_eq!(output["waitSeconds"], wait);
        let progress = &output["progress"];
        assert_eq!(progress["attempt"], attempt);
        assert_eq!(progress["invalidatedAgain"], invalidated_again);
        let again = |id: &str| json!({ "distributionId": id, "paths": ["/a", "/a?*"] });
        let again = match status {
            "InvalidateAgain" => json!([again("E1WEBSITE00001"), again("E2IMAGES000002")]),
            _ => json!([]),
        };
        assert_eq!(output["again"], again);
        let is_stale = status == "Stale";
        assert_eq!(output["error"] == "EdgeStale", is_stale);
        let cause = output["cause"].as_str().unwrap_or_default();
        assert_eq!(
            cause.contains("https://www.example.com/a is stale: "),
            is_stale
        );
        event["earlier"] = progress.clone();
    }
}

#[tokio::test]
async fn a_url_that_is_fresh_at_last_is_enough() {
    let (output, _) = invoke([STALE, ERROR_PAGE], first()).await;
    let earlier = &output.unwrap()["progress"];

    let (output, requests) = invoke([FRESH, FRESH], event(earlier)).await;

    assert_eq!(requests, [3, 0]);
    // The other shows nothing, which is no failure.
    assert_eq!(output.unwrap()["status"], "NotVerified");
}

#[tokio::test]
async fn urls_that_differ_only_in_their_query_strings_have_results_of_their_own() {
    let settings = Settings::parse(|variable| {
        let urls = "https://www.example.com/a?l=de,https://www.example.com/a?l=en";
        (variable == "VERIFY_URLS").then(|| urls.to_owned())
    });
    let requests = AtomicU8::new(0);
    let get = async |url: &Url, _: Option<&_>| {
        requests.fetch_add(1, Ordering::Relaxed);
        let is_stale = url.uri().query() == Some("l=en");
        Ok(response(200, if is_stale { 5000 } else { 0 }))
    };
    let now = SystemTime::UNIX_EPOCH + NOW;
    let mut event = first();
    for expected in [6, 9] {
        let output = handle(get, &settings, event.clone(), now).await.unwrap();

        assert_eq!(output.status, Status::CheckAgain);
        assert_eq!(requests.load(Ordering::Relaxed), expected);
        event["earlier"] = json!(output.progress);
    }
}

#[tokio::test]
async fn nothing_is_repeated_after_the_deadline() {
    let mut event = first();
    event["deadline"] = CREATED.into();

    let (output, _) = invoke([STALE, FRESH], event).await;

    let output = output.unwrap();
    assert_eq!(output["status"], "Stale");
    assert!(
        output["cause"]
            .as_str()
            .unwrap()
            .contains("before the deadline")
    );
}

#[tokio::test]
async fn an_invalid_input_and_invalid_settings_are_errors() {
    let mut nothing = first();
    nothing["invalidations"] = json!([]);
    for event in [json!({}), nothing] {
        let (output, _) = invoke([FRESH, FRESH], event).await;
        assert_eq!(output.unwrap_err().error_type, "InvalidInput");
    }
    let settings = Settings::parse(|variable| {
        let value = match variable {
            "VERIFY_URLS" => "https://www.example.com/,http://www.example.com/?token=1",
            _ => "two words",
        };
        Some(value.to_owned())
    });
    let get = async |_: &_, _: Option<&_>| Ok(response(200, 0));
    let now = SystemTime::now();
    let error = handle(get, &settings, first(), now).await;
    let error = Diagnostic::from(error.unwrap_err());
    assert_eq!(error.error_type, "InvalidSettings");
    for part in ["VERIFY_URLS[1] must be https", "VERIFY_HEADER"] {
        assert!(error.error_message.contains(part), "{error:?}");
    }
    assert!(!error.error_message.contains("token"), "{error:?}");
}
