//! Invocations by an engineer or a script.

use serde_json::{Value, json};
use stand_in::{Fault, Operation};

use super::*;

fn dry_run() -> Value {
    json!({ "dryRun": true })
}

#[tokio::test]
async fn a_manual_invocation_starts_an_execution_that_reports_to_nobody() {
    let started = json!({ "executionArn": "arn", "startDate": 0 });
    let aws = aws(Fault::Response(started)).await;

    let output = invoke(&aws, &valid_settings(), json!({})).await.unwrap();

    let name = format!("manual-{REQUEST}");
    let expected = json!({ "outcome": "Started", "executionName": name, "alreadyStarted": false });
    assert_eq!(output, expected);
    let requests = aws.requests(Operation::StartExecution);
    let input: Value = serde_json::from_str(requests[0]["input"].as_str().unwrap()).unwrap();
    let invalidations = json!([{ "distributionId": DISTRIBUTION, "paths": ["/*"] }]);
    assert_eq!(input, json!({ "invalidations": invalidations }));
}

#[tokio::test]
async fn a_manual_invocation_invalidates_the_targets_of_one_key_or_of_all_together() {
    let batch = |paths: Value| json!({ "distributionId": DISTRIBUTION, "paths": paths });
    let tenant = json!({ "distributionTenantId": "dt_1", "paths": ["#blog"] });
    let targets = json!({
        "shop/web": [batch(json!(["/a", "/b/c"])), tenant],
        "shop/api": [batch(json!(["/a", "/b/*"]))],
    });
    let settings = with_targets(&targets.to_string());
    let together = json!([batch(json!(["/a", "/b/*"])), tenant]);
    for (event, expected) in [
        (dry_run(), &together),
        (
            json!({ "dryRun": true, "targets": "shop/api" }),
            &targets["shop/api"],
        ),
    ] {
        let aws = StandIn::start().await.unwrap();

        let output = invoke(&aws, &settings, event).await.unwrap();

        assert_eq!(output["outcome"], "DryRun");
        assert_eq!(&output["invalidations"], expected);
        assert_eq!(aws.calls(), []);
    }
}

/// So `make verify` finds mistakes in the settings before a deployment does.
#[tokio::test]
async fn a_manual_invocation_that_starts_nothing_says_why() {
    let web = json!([{ "distributionId": DISTRIBUTION, "paths": ["/*"] }]);
    let web = with_targets(&json!({ "shop/web": web }).to_string());
    let other = json!({ "targets": "shop/api" });
    for (settings, event, reason) in [
        (&with_targets("{}"), dry_run(), "TARGETS has no entry"),
        (&web, other, "shop/api"),
        (&web, json!({}), STATE_MACHINE),
    ] {
        let aws = without_a_state_machine().await;

        let error = invoke(&aws, settings, event).await.unwrap_err();

        assert_eq!(error.error_type, "ExecutionNotStarted");
        assert_contains(&error.error_message, &[reason]);
        assert_eq!(aws.statuses(DEPLOYMENT), [""; 0]);
    }
}
