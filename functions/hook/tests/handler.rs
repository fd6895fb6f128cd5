//! The handler against a replayed Step Functions and the CodeDeploy stand-in.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use aws_sdk_sfn::config::retry::RetryConfig;
use aws_smithy_http_client::test_util::{ReplayEvent, StaticReplayClient};
use aws_smithy_runtime_api::shared::IntoShared;
use aws_smithy_types::body::SdkBody;
use hook::{
    Clients, Error, Outcome, handle,
    settings::{InvalidSettings, InvalidationSettings, Settings},
    targets::Targets,
};
use lambda_runtime::Diagnostic;
use serde_json::{Value, json};
use shared::{codedeploy::HookStatus, failure_action::FailureAction};
use stand_in::{Fault, Operation, StandIn};

const STATE_MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:invalidate";
const QUEUE: &str = "https://sqs.eu-central-1.amazonaws.com/111122223333/pending-reports";
const DEPLOYMENT: &str = "d-A1B2C3D4E";

fn event() -> Value {
    json!({ "DeploymentId": DEPLOYMENT, "LifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWQ=" })
}

fn parse(
    distributions: &str,
    paths: &str,
    tags: &str,
) -> Result<InvalidationSettings, InvalidSettings> {
    parse_all(&[
        ("DISTRIBUTION_IDS", distributions),
        ("PATHS", paths),
        ("CACHE_TAGS", tags),
    ])
}

fn parse_all(variables: &[(&str, &str)]) -> Result<InvalidationSettings, InvalidSettings> {
    InvalidationSettings::parse(|name| {
        let arn = ("STATE_MACHINE_ARN", STATE_MACHINE);
        let mut variables = variables.iter().chain([&arn]);
        let found = variables.find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// The targets of a distribution and a tenant.
fn with_targets(targets: &Value) -> Result<InvalidationSettings, InvalidSettings> {
    parse_all(&[
        ("DISTRIBUTION_IDS", "E2QWRUHAPOMQZL"),
        ("DISTRIBUTION_TENANT_IDS", "dt_1"),
        ("TARGETS", &targets.to_string()),
    ])
}

fn settings(distributions: &str, paths: &str, on_invalidation_failure: FailureAction) -> Settings {
    Settings {
        invalidation: parse(distributions, paths, ""),
        pending_reports_queue_url: QUEUE.to_owned(),
        on_invalidation_failure,
    }
}

fn valid_settings() -> Settings {
    settings("E2QWRUHAPOMQZL", "/*", FailureAction::FailDeployment)
}

/// The CodeDeploy stand-in, and a Step Functions that returns these responses, one to each call.
struct Aws {
    stand_in: StandIn,
    sfn: StaticReplayClient,
}

impl Aws {
    async fn new(sfn_responses: &[(u16, Value)]) -> Self {
        let events = sfn_responses.iter().map(|(status, body)| {
            ReplayEvent::new(
                http::Request::new(SdkBody::empty()),
                http::Response::builder()
                    .status(*status)
                    .body(SdkBody::from(body.to_string()))
                    .unwrap(),
            )
        });
        Self {
            stand_in: StandIn::start().await.unwrap(),
            sfn: StaticReplayClient::new(events.collect()),
        }
    }

    async fn started() -> Self {
        Self::new(&[(200, json!({ "executionArn": "arn", "startDate": 0 }))]).await
    }

    async fn rejecting(code: &str) -> Self {
        Self::new(&[(400, json!({ "__type": code, "message": "No." }))]).await
    }

    async fn handle(&self, settings: &Settings, event: Value) -> Result<Outcome, Error> {
        let config = self.stand_in.client_config();
        let sfn_config = aws_sdk_sfn::config::Builder::from(&config)
            .http_client(self.sfn.clone())
            .retry_config(RetryConfig::disabled())
            .build();
        let clients = Clients {
            sfn: aws_sdk_sfn::Client::from_conf(sfn_config),
            config,
        };
        handle(&clients, settings, event).await
    }

    fn start_requests(&self) -> Vec<Value> {
        self.sfn
            .actual_requests()
            .map(|request| serde_json::from_slice(request.body().bytes().unwrap()).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn starts_one_execution_with_all_it_needs() {
    let aws = Aws::started().await;
    let settings = settings(
        "E2QWRUHAPOMQZL, E1WEBSITE00001",
        "/b/*,/a",
        FailureAction::FailDeployment,
    );

    let outcome = aws.handle(&settings, event()).await.unwrap();

    let Outcome::Started {
        execution_name,
        already_started,
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert!(!already_started);
    let requests = aws.start_requests();
    let input: Value = serde_json::from_str(requests[0]["input"].as_str().unwrap()).unwrap();
    assert_eq!(
        requests,
        [json!({
            "stateMachineArn": STATE_MACHINE,
            "name": execution_name,
            "input": input.to_string(),
        })]
    );
    assert_eq!(
        input,
        json!({
            "hook": { "deploymentId": DEPLOYMENT, "lifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWQ=" },
            "invalidations": [
                { "distributionId": "E1WEBSITE00001", "paths": ["/a", "/b/*"] },
                { "distributionId": "E2QWRUHAPOMQZL", "paths": ["/a", "/b/*"] },
            ],
        })
    );
    assert_eq!(aws.stand_in.calls(), []);
}

#[tokio::test]
async fn the_same_event_starts_the_same_execution_and_another_event_another_one() {
    let mut names = Vec::new();
    let mut other_hook = event();
    other_hook["LifecycleEventHookExecutionId"] = json!("another");
    let mut other_deployment = event();
    other_deployment["DeploymentId"] = json!("d-ZZZZZZZZZ");
    for event in [event(), event(), other_hook, other_deployment] {
        let aws = Aws::started().await;
        aws.handle(&valid_settings(), event).await.unwrap();
        names.push(aws.start_requests()[0]["name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
    assert_ne!(names[0], names[3]);
    assert!(names[0].starts_with("d-A1B2C3D4E-"), "{names:?}");
}

#[tokio::test]
async fn any_deployment_id_makes_a_name_that_step_functions_accepts() {
    let long = "d-".repeat(100);
    for id in [long.as_str(), "d-ä/ö:ü", "d-\u{1F980}"] {
        let aws = Aws::started().await;
        let mut event = event();
        event["DeploymentId"] = json!(id);
        aws.handle(&valid_settings(), event).await.unwrap();
        let name = aws.start_requests()[0]["name"].as_str().unwrap().to_owned();
        assert!(name.len() <= 80, "{name}");
        assert!(
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_execution_that_exists_is_not_started_again() {
    let aws = Aws::rejecting("ExecutionAlreadyExists").await;

    let outcome = aws.handle(&valid_settings(), event()).await.unwrap();

    assert!(
        matches!(
            outcome,
            Outcome::Started {
                already_started: true,
                ..
            }
        ),
        "{outcome:?}"
    );
    assert_eq!(aws.stand_in.calls(), []);
}

#[tokio::test]
async fn a_response_that_cannot_be_parsed_is_retried() {
    let exists = json!({ "__type": "ExecutionAlreadyExists", "message": "No." });
    let aws = Aws::new(&[(200, json!("what is this?")), (400, exists)]).await;
    let mut config = aws.stand_in.client_config().into_builder();
    config.set_http_client(Some(aws.sfn.clone().into_shared()));

    let outcome = handle(&Clients::new(&config.build()), &valid_settings(), event()).await;

    assert!(
        matches!(
            outcome,
            Ok(Outcome::Started {
                already_started: true,
                ..
            })
        ),
        "{outcome:?}"
    );
    assert_eq!(aws.start_requests().len(), 2);
}

#[tokio::test]
async fn without_an_execution_the_failure_action_is_reported() {
    for (action, status) in [
        (FailureAction::FailDeployment, HookStatus::Failed),
        (FailureAction::ContinueDeployment, HookStatus::Succeeded),
    ] {
        let aws = Aws::rejecting("StateMachineDoesNotExist").await;
        let settings = settings("E2QWRUHAPOMQZL", "/*", action);

        let outcome = aws.handle(&settings, event()).await.unwrap();

        let Outcome::Reported {
            reported_status,
            reason,
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(reported_status, Some(status));
        assert!(reason.contains(STATE_MACHINE), "{reason}");
        assert_eq!(aws.stand_in.statuses(DEPLOYMENT), [status.as_str()]);
    }
}

#[tokio::test]
async fn invalid_settings_are_all_named_and_the_failure_action_is_reported_at_once() {
    let aws = Aws::new(&[]).await;
    let settings = settings(
        "not-an-id,E2QWRUHAPOMQZL",
        "index.html,/a*b,/a b,/x~y,/%41,/ok",
        FailureAction::FailDeployment,
    );

    let outcome = aws.handle(&settings, event()).await.unwrap();

    let Outcome::Reported { reason, .. } = outcome else {
        panic!("{outcome:?}");
    };
    for part in [
        "DISTRIBUTION_IDS",
        "not-an-id",
        "PATHS",
        "index.html",
        "/a*b",
        "/a b",
        "/x*",
        "%41",
    ] {
        assert!(reason.contains(part), "{part} is not in {reason}");
    }
    assert_eq!(aws.stand_in.statuses(DEPLOYMENT), ["Failed"]);
    assert_eq!(aws.start_requests(), Vec::<Value>::new());
}

#[tokio::test]
async fn empty_settings_are_rejected() {
    for (distributions, paths, problem) in [
        (
            "",
            "/*",
            "DISTRIBUTION_IDS and DISTRIBUTION_TENANT_IDS are missing or empty",
        ),
        (
            "E2QWRUHAPOMQZL",
            " ",
            "PATHS and CACHE_TAGS are missing or empty",
        ),
        ("E2QWRUHAPOMQZL", "/a,,/b", "PATHS: the path \"\""),
    ] {
        let error = settings(distributions, paths, FailureAction::FailDeployment)
            .invalidation
            .unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn cache_tags_are_invalidated_with_the_paths_or_without() {
    for (paths, tags, expected) in [
        (
            "/b,/a,/b",
            "Product-42,blog",
            vec!["/a", "/b", "#blog", "#product-42"],
        ),
        ("", "blog", vec!["#blog"]),
        ("/*,/images/*", "", vec!["/*"]),
    ] {
        let settings = parse("E2QWRUHAPOMQZL", paths, tags).unwrap();
        let Targets::Same(batches) = settings.targets else {
            panic!("{settings:?}");
        };
        let found: Vec<_> = batches[0].paths.iter().collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_cache_tag_is_written_without_the_hash_sign_and_no_tag_is_empty() {
    for tags in ["#blog", "blog,", ",blog", "a b"] {
        let error = parse("E2QWRUHAPOMQZL", "", tags).unwrap_err().to_string();
        assert!(error.starts_with("CACHE_TAGS: "), "{error}");
    }
}

#[tokio::test]
async fn a_deployment_invalidates_the_targets_of_its_deployment_group_or_else_of_the_rest() {
    let web = json!([{ "distributionId": "E2QWRUHAPOMQZL", "paths": ["/*"] }]);
    let others = json!([{ "distributionTenantId": "dt_1", "paths": ["#blog"] }]);
    let targets = with_targets(&json!({ "shop/web": web, "*": others }));
    let settings = Settings {
        invalidation: targets,
        ..valid_settings()
    };
    for (group, expected) in [("shop/web", web), ("shop/api", others)] {
        let aws = Aws::started().await;
        aws.stand_in.set_deployment_group(DEPLOYMENT, group);

        aws.handle(&settings, event()).await.unwrap();

        let input = aws.start_requests()[0]["input"].clone();
        let input: Value = serde_json::from_str(input.as_str().unwrap()).unwrap();
        assert_eq!(input["invalidations"], expected);
    }
}

#[tokio::test]
async fn codedeploy_is_asked_only_if_deployment_groups_differ() {
    let batches = json!([{ "distributionId": "E2QWRUHAPOMQZL", "paths": ["/*"] }]);
    let settings = Settings {
        invalidation: with_targets(&json!({ "*": batches })),
        ..valid_settings()
    };
    let aws = Aws::started().await;

    aws.handle(&settings, event()).await.unwrap();

    assert_eq!(aws.stand_in.calls(), []);
}

#[tokio::test]
async fn without_targets_of_the_deployment_nothing_starts_and_the_failure_action_is_reported() {
    let batches = json!([{ "distributionId": "E2QWRUHAPOMQZL", "paths": ["/*"] }]);
    let missing = Fault::new("DeploymentDoesNotExistException", 400, "No.");
    for (fault, parts) in [
        (None, ["\"shop/api\"", "Targets parameter"]),
        (Some(missing), ["DeploymentDoesNotExist", "GetDeployment"]),
    ] {
        let settings = Settings {
            invalidation: with_targets(&json!({ "shop/web": batches })),
            ..valid_settings()
        };
        let aws = Aws::new(&[]).await;
        aws.stand_in.set_deployment_group(DEPLOYMENT, "shop/api");
        if let Some(fault) = fault {
            aws.stand_in
                .inject(Operation::GetDeployment, DEPLOYMENT, 1, fault);
        }

        let outcome = aws.handle(&settings, event()).await.unwrap();

        let Outcome::Reported { reason, .. } = outcome else {
            panic!("{outcome:?}");
        };
        for part in parts {
            assert!(reason.contains(part), "{part} is not in {reason}");
        }
        assert_eq!(aws.stand_in.statuses(DEPLOYMENT), ["Failed"]);
    }
}

#[test]
fn every_mistake_in_the_targets_is_named() {
    let error = with_targets(&json!({
        "web": [{ "distributionId": "E2QWRUHAPOMQZL", "paths": ["/*"] }],
        "shop/empty": [],
        "shop/api": [
            { "distributionId": "E1ANOTHER00001", "paths": ["/*"] },
            { "distributionId": "E2QWRUHAPOMQZL", "paths": ["/ok", "index.html"] },
            { "distributionTenantId": "dt_1", "paths": ["/*"] },
            { "distributionTenantId": "dt_1", "paths": ["/a"] },
        ],
    }));
    let error = error.unwrap_err().to_string();
    for part in [
        "\"web\": the key must be application/deploymentGroup or *",
        "\"shop/empty\": it must be a list of at least one batch",
        "\"shop/api\": [0]: distribution E1ANOTHER00001 is not in the stack's DistributionIds",
        "\"shop/api\": [1]: the batch is invalid at `paths[1]`",
        "\"shop/api\": [3]: distribution tenant dt_1 has a batch already",
    ] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    for (text, part) in [
        ("[]", "TARGETS is not a JSON object"),
        ("{", "EOF while parsing"),
        ("{}", "TARGETS has no entry"),
    ] {
        let error = parse_all(&[("DISTRIBUTION_IDS", "E2QWRUHAPOMQZL"), ("TARGETS", text)]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{part} is not in {error}");
    }
}

#[tokio::test]
async fn a_hook_that_is_already_completed_is_no_error() {
    let aws = Aws::rejecting("StateMachineDoesNotExist").await;
    let already = Fault::new(
        "LifecycleEventAlreadyCompletedException",
        400,
        "It has one.",
    );
    aws.stand_in.inject(
        Operation::PutLifecycleEventHookExecutionStatus,
        DEPLOYMENT,
        1,
        already,
    );

    let outcome = aws.handle(&valid_settings(), event()).await.unwrap();

    assert!(
        matches!(
            outcome,
            Outcome::Reported {
                reported_status: None,
                ..
            }
        ),
        "{outcome:?}"
    );
}

/// No execution could be started, and CodeDeploy does not accept the status.
async fn without_a_report() -> Aws {
    let aws = Aws::rejecting("StateMachineDoesNotExist").await;
    let broken = Fault::new("InternalFailure", 500, "Oops.");
    aws.stand_in.inject(
        Operation::PutLifecycleEventHookExecutionStatus,
        DEPLOYMENT,
        1,
        broken,
    );
    aws
}

#[tokio::test]
async fn a_status_that_codedeploy_does_not_accept_is_left_to_the_queue_of_pending_reports() {
    let aws = without_a_report().await;

    let outcome = aws.handle(&valid_settings(), event()).await.unwrap();

    let Outcome::Queued { reason } = outcome else {
        panic!("{outcome:?}");
    };
    for part in [STATE_MACHINE, "InternalFailure"] {
        assert!(reason.contains(part), "{part} is not in {reason}");
    }
    let [message] = &aws.stand_in.messages(DEPLOYMENT)[..] else {
        panic!("{:?}", aws.stand_in.calls());
    };
    assert_eq!(message["QueueUrl"], QUEUE);
    let body: Value = serde_json::from_str(message["MessageBody"].as_str().unwrap()).unwrap();
    assert_eq!(body["requestPayload"], event());
}

#[tokio::test]
async fn no_execution_no_report_and_no_message_is_an_error_that_lambda_retries() {
    let aws = without_a_report().await;
    let denied = Fault::new("AccessDenied", 403, "No.");
    aws.stand_in
        .inject(Operation::SendMessage, DEPLOYMENT, 1, denied);

    let error = aws.handle(&valid_settings(), event()).await.unwrap_err();

    let diagnostic = Diagnostic::from(error);
    assert_eq!(diagnostic.error_type, "StatusNotReported");
    for part in [
        DEPLOYMENT,
        STATE_MACHINE,
        "InternalFailure",
        "AccessDenied",
        "put-lifecycle-event-hook",
    ] {
        assert!(diagnostic.error_message.contains(part), "{diagnostic:?}");
    }
}

#[tokio::test]
async fn an_invalid_field_of_the_event_is_named() {
    for (wrong, field) in [
        (
            json!({ "LifecycleEventHookExecutionId": "x" }),
            "DeploymentId",
        ),
        (
            json!({ "DeploymentId": "d-1" }),
            "LifecycleEventHookExecutionId",
        ),
        (
            json!({ "DeploymentId": "", "LifecycleEventHookExecutionId": "x" }),
            "DeploymentId",
        ),
        (
            json!({ "DeploymentId": "d-1", "LifecycleEventHookExecutionId": 7 }),
            "LifecycleEventHookExecutionId",
        ),
        (json!(["d-1", "x"]), "not a JSON object"),
        (json!("d-1"), "not a JSON object"),
        (json!(null), "not a JSON object"),
    ] {
        let aws = Aws::new(&[]).await;
        let error = aws.handle(&valid_settings(), wrong).await.unwrap_err();
        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, "InvalidHookEvent");
        assert!(diagnostic.error_message.contains(field), "{diagnostic:?}");
    }
}
